//! Channels: stores, an online store and a call centre for each company.

use crate::{
    record::recid,
    shop::{CHANNELS_PER_COMPANY, STORES_PER_COMPANY, Shop},
    vocab::STORES,
};

/// A place where things are sold.
#[derive(Debug, Clone)]
pub(crate) struct Channel {
    pub(crate) number: u64,
    pub(crate) id: String,
    pub(crate) name: String,
    /// As `RetailChannelType` counts.
    pub(crate) kind: i64,
    pub(crate) currency: &'static str,
    pub(crate) company: usize,
    pub(crate) company_code: String,
}

impl Shop {
    /// How many channels there are.
    pub(crate) fn channels(&self) -> u64 {
        self.companies.len() as u64 * CHANNELS_PER_COMPANY
    }

    /// The channel with this number.
    pub(crate) fn channel(&self, number: u64) -> Channel {
        let company = (number / CHANNELS_PER_COMPANY) as usize;
        let (code, currency) = (&self.companies[company].code, self.companies[company].currency);
        let upper = code.to_uppercase();
        let (kind, place) = match number % CHANNELS_PER_COMPANY {
            STORES_PER_COMPANY => (1, "Online store".to_owned()),
            call_center if call_center > STORES_PER_COMPANY => (4, "Call center".to_owned()),
            store => (0, format!("{} store", STORES[store as usize % STORES.len()])),
        };
        let id = self.store_id(number);
        Channel { number, id, name: format!("{upper} {place}"), kind, currency, company, company_code: code.clone() }
    }

    /// The number of the store as its tills write it.
    pub(crate) fn store_id(&self, channel: u64) -> String {
        let code = self.companies[(channel / CHANNELS_PER_COMPANY) as usize].code.to_uppercase();
        format!("{code}{:03}", channel % CHANNELS_PER_COMPANY + 1)
    }
}

/// The channel's record id.
pub(crate) fn channel_recid(channel: u64) -> i64 {
    recid(channel)
}
