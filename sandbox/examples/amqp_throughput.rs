//! Measures the messages per second over the AMQP interface of the sandbox's Service Bus, in both directions. The
//! broker and the client are in one process, over a loopback connection. `cargo run --release -p sandbox --example
//! amqp_throughput`

use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use fe2o3_amqp::link::receiver::CreditMode;
use fe2o3_amqp::sasl_profile::SaslProfile;
use fe2o3_amqp::types::messaging::Body;
use fe2o3_amqp::{Connection, Receiver, Sender, Session};
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use sandbox::auth::AnyToken;
use sandbox::clock::Clock;
use sandbox::network::{Dependency, Network, NoFaults};
use sandbox::service_bus::amqp::ServiceBusAmqp;
use sandbox::service_bus::rest::{RestOptions, SasKey, ServiceBusRest};
use sandbox::service_bus::{Broker, SubscriptionOptions, TopicOptions};
use serde_amqp::Value;

const MESSAGES: u32 = 20_000;
/// Concurrent sends.
const UNDER_WAY: usize = 200;
/// About the size of an order with its lines.
const BYTES: usize = 4096;

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<(), Box<dyn Error>> {
    let broker = Broker::new(Clock::real());
    broker.create_topic(TopicOptions::new("orders"))?;
    broker.create_subscription("orders", SubscriptionOptions::new("all"))?;
    let keys = vec![SasKey { name: "root".to_owned(), key: "key".to_owned() }];
    let options = RestOptions { namespace: "shop".to_owned(), keys, strict_properties: true };
    let amqp = ServiceBusAmqp::new(broker.clone(), &options, Arc::new(AnyToken));
    let rest = ServiceBusRest::new(broker, options, Arc::new(AnyToken));
    let listener = Network::bind(None).await?;
    let network = Network::new(NoFaults::default());
    let served =
        network.serve_with_protocol(Dependency::ServiceBus, rest.router(), Some(amqp.protocol_handler()), listener)?;

    let profile = SaslProfile::Plain { username: "root".to_owned(), password: "key".to_owned() };
    let url = format!("amqp://127.0.0.1:{}", served.port());
    let mut connection = Connection::builder().container_id("client").sasl_profile(profile).open(&*url).await?;
    let mut session = Session::begin(&mut connection).await?;
    let mut sender = Sender::attach(&mut session, "sender", "orders").await?;
    let builder = Receiver::builder().name("receiver").source("orders/Subscriptions/all");
    let mut receiver = builder.credit_mode(CreditMode::Manual).attach(&mut session).await?;

    let body = "x".repeat(BYTES);
    let began = Instant::now();
    let mut under_way = FuturesUnordered::new();
    for _ in 0..MESSAGES {
        under_way.push(sender.send_batchable(body.as_str()).await?);
        if under_way.len() >= UNDER_WAY {
            under_way.next().await.transpose()?;
        }
    }
    while under_way.next().await.transpose()?.is_some() {}
    report("sent and accepted", began);

    let began = Instant::now();
    receiver.set_credit(MESSAGES).await?;
    for _ in 0..MESSAGES {
        let delivery = receiver.recv::<Body<Value>>().await?;
        receiver.accept(&delivery).await?;
    }
    report("received and completed", began);
    Ok(())
}

fn report(what: &str, began: Instant) {
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "{MESSAGES} messages of {BYTES} bytes {what} in {seconds:.1} s: {:.0} a second",
        f64::from(MESSAGES) / seconds
    );
}
