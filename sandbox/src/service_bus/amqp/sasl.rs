//! Authentication before AMQP.
//!
//! OASIS AMQP 1.0, part 5, section 5.3. With `MSSBCBS` and `ANONYMOUS`, the client sends its tokens to `$cbs` later.
//! `PLAIN` has the name and the key of a policy and grants everything that the policy allows.

use fe2o3_amqp_types::sasl::{SaslCode, SaslInit, SaslMechanisms, SaslOutcome};
use serde_amqp::primitives::{Array, Symbol};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};

use super::super::rest::SasKey;
use super::frame::{AMQP_HEADER, FrameError, Reader, SASL_HEADER, sasl};

const MECHANISMS: [&str; 3] = ["MSSBCBS", "PLAIN", "ANONYMOUS"];

/// How the client was authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// It must send tokens.
    ByTokens,
    /// It has sent the key of a policy.
    ByPolicy,
}

/// Exchanges the protocol headers, and SASL frames if the client wants them. `None` if the client is rejected.
pub(super) async fn admit<R, W>(
    reader: &mut Reader<R>,
    writer: &mut W,
    keys: &[SasKey],
) -> Result<Option<Admission>, FrameError>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut admission = Admission::ByTokens;
    let mut header = reader.header().await?;
    if header == SASL_HEADER {
        let Some(admitted) = negotiate(reader, writer, keys).await? else { return Ok(None) };
        admission = admitted;
        header = reader.header().await?;
    }
    // An unknown protocol header is answered with the supported one.
    writer.write_all(&AMQP_HEADER).await?;
    Ok((header == AMQP_HEADER).then_some(admission))
}

async fn negotiate<R, W>(
    reader: &mut Reader<R>,
    writer: &mut W,
    keys: &[SasKey],
) -> Result<Option<Admission>, FrameError>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    writer.write_all(&SASL_HEADER).await?;
    let mechanisms = Array(MECHANISMS.map(Symbol::from).to_vec());
    writer.write_all(&sasl(&SaslMechanisms { sasl_server_mechanisms: mechanisms })?).await?;
    let init: SaslInit = reader.next().await?.sasl()?;
    let admission = match init.mechanism.as_str() {
        "MSSBCBS" | "ANONYMOUS" => Some(Admission::ByTokens),
        "PLAIN" if is_policy(&init.initial_response.unwrap_or_default(), keys) => Some(Admission::ByPolicy),
        _ => None,
    };
    let code = if admission.is_some() { SaslCode::Ok } else { SaslCode::Auth };
    writer.write_all(&sasl(&SaslOutcome { code, additional_data: None })?).await?;
    Ok(admission)
}

/// RFC 4616: `[authzid] NUL authcid NUL passwd`.
fn is_policy(response: &[u8], keys: &[SasKey]) -> bool {
    let mut parts = response.split(|byte| *byte == 0).skip(1);
    let (name, key) = (parts.next(), parts.next());
    keys.iter().any(|policy| name == Some(policy.name.as_bytes()) && key == Some(policy.key.as_bytes()))
}
