mod oracle;
mod raw;
mod sdk;
