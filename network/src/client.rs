//! A client process: some links, each of which wants the same topics, and what becomes of them.

use std::fs::{self, File};
use std::sync::Arc;
use std::time::Duration;

use redial::{Action, ConnId};
use redial_tokio::rustls::crypto::ring;
use redial_tokio::rustls::pki_types::CertificateDer;
use redial_tokio::rustls::pki_types::pem::PemObject;
use redial_tokio::rustls::{ClientConfig, RootCertStore};
use redial_tokio::tungstenite::Message;
use redial_tokio::{
    BadFrame, Builder, Client, ClientEvent, Events, Handle, Inbound, Observed, Protocol, Snapshots,
};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::lines::{ClientSetting, Figures, Told, boottime_ns, monotonic_ns};
use crate::orders::Orders;

/// Runs until it is killed or told to `end`. The other orders are in [`obey`].
pub(crate) async fn run(setting: ClientSetting) {
    let trust = setting.trust.as_ref().map(|file| trusting(file));
    let mut handles = Vec::new();
    for link in 0..setting.links as usize {
        let url = format!("{}/{link}", setting.url);
        let mut client = Client::builder(url).policy(setting.policy).observe(move |at, seen| {
            if let Observed::Action(Action::Open { .. }) = seen {
                tell(&Told::Dialled { link, at: at.as_nanos() });
            }
        });
        if let Some(config) = &trust {
            client = client.tls_config(Arc::clone(config));
        }
        let (handle, events) = begin(client.idle(), &setting);
        for topic in 0..setting.topics {
            handle.subscribe(topic);
        }
        handle.start();
        tokio::spawn(listen(link, events));
        handles.push(handle);
    }
    let mut orders = Orders::new();
    while let Some(order) = orders.next().await {
        if order == "end" {
            return;
        }
        obey(&order, &handles);
    }
}

/// Each order is for all links.
fn obey(order: &str, handles: &[Handle<u32>]) {
    let each = |wish: &dyn Fn(&Handle<u32>)| handles.iter().for_each(wish);
    match order.split_once(' ').unwrap_or((order, "")) {
        ("down", _) => each(&Handle::network_down),
        ("up", _) => each(&Handle::network_up),
        ("subscribe", topic) => each(&|handle| handle.subscribe(number(topic))),
        ("unsubscribe", topic) => each(&|handle| handle.unsubscribe(&number(topic))),
        ("jump", namespace) => {
            let namespace = File::open(namespace).expect("the namespace is there");
            move_into_link_name_space(
                std::os::fd::AsFd::as_fd(&namespace),
                Some(LinkNameSpaceType::Time),
            )
            .expect("a process with one thread may move");
        }
        ("figures", _) => {
            for (link, handle) in handles.iter().enumerate() {
                tell(&Told::Figures { link, figures: Figures::from(handle.stats()) });
            }
        }
        _ => panic!("unknown order: {order}"),
    }
}

fn number(text: &str) -> u32 {
    text.parse().expect("a topic is a number")
}

fn begin(client: Builder, setting: &ClientSetting) -> (Handle<u32>, Events<u32, String>) {
    let begun = match &setting.store {
        Some(file) => client.connect_with_snapshots(Lines, restored(file)),
        None => client.connect(Lines),
    };
    begun.expect("the setting is right")
}

/// The file's first line is the clock's time when it was stored.
fn restored(file: &str) -> Snapshots<u32> {
    let to = file.to_owned();
    let snapshots = Snapshots::new(move |text| {
        let new = format!("{to}.new");
        fs::write(&new, format!("{}\n{text}", boottime_ns())).expect("there is room");
        fs::rename(&new, &to).expect("it is the same folder");
    });
    let Ok(stored) = fs::read_to_string(file) else { return snapshots };
    let (stored_at, text) = stored.split_once('\n').expect("two lines");
    let stored_at = stored_at.parse().expect("a time");
    // Nobody knows how long ago it was if the machine has started anew since.
    let elapsed = boottime_ns().checked_sub(stored_at).map(Duration::from_nanos);
    snapshots.restore(text, elapsed).expect("we wrote it")
}

async fn listen(link: usize, mut events: Events<u32, String>) {
    while let Some(event) = events.next().await {
        if let ClientEvent::Status(status) = event {
            let (phase, cause) = (status.phase, status.cause);
            tell(&Told::Status { link, at: monotonic_ns(), phase, cause });
        }
    }
}

fn tell(told: &Told) {
    println!("{}", serde_json::to_string(told).expect("it is plain data"));
}

fn trusting(file: &str) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file).expect("the file is there") {
        roots.add(certificate.expect("a certificate")).expect("an authority's");
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider has them")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config)
}

/// `+topic number` and `-topic number`, answered by `ok number`; and data, as `topic:data`.
struct Lines;

impl Protocol for Lines {
    type Topic = u32;
    type Data = String;

    fn subscribe(&mut self, _: ConnId, topic: &u32, number: u64) -> Message {
        Message::text(format!("+{topic} {number}"))
    }

    fn unsubscribe(&mut self, _: ConnId, topic: &u32, number: u64) -> Message {
        Message::text(format!("-{topic} {number}"))
    }

    fn read(&mut self, _: ConnId, frame: Message) -> Result<Inbound<u32, String>, BadFrame> {
        let text = frame.to_text().map_err(|_| BadFrame::new("not text"))?;
        if let Some(number) = text.strip_prefix("ok ") {
            let number = number.parse().map_err(|_| BadFrame::new("not a number"))?;
            return Ok(Inbound::Acked { number });
        }
        let topic = text.split_once(':').and_then(|(topic, _)| topic.parse().ok());
        Ok(Inbound::Data { topic, data: text.to_owned() })
    }
}
