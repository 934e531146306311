//! How a client comes to be.

use std::fmt;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use redial::{Action, Event, Instant, Link, Overflow, Policy, Refresh, Seed};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tracing::Instrument;

use crate::attempt::Attempt;
use crate::clock::Clock;
use crate::events::Events;
use crate::handle::{Handle, Shared, View};
use crate::log;
use crate::outbox::Outbox;
use crate::protocol::Protocol;
use crate::queue::queue;
use crate::record::{Recording, Sink};
use crate::snapshots::{Restored, SnapshotError, Snapshots};
use crate::task::{Connections, MakeRequest, Observer, Task, Tokens};
use crate::tls::Tls;
use crate::token::{MakeFetch, Token, TokenError};
use crate::topics::Topics;

pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Where a client begins.
#[derive(Debug)]
#[non_exhaustive]
pub struct Client;

impl Client {
    /// A client that dials `url`, `ws://` or `wss://`, for each attempt. One that cannot be dialled
    /// is an error of [`Builder::connect`].
    pub fn builder(url: impl Into<String>) -> Builder {
        Self::endpoints([url])
    }

    /// A client that dials one of several servers, the first one where it can: the policy's
    /// `endpoints` must be their number, or [`Builder::connect`] fails.
    pub fn endpoints<U: Into<String>>(urls: impl IntoIterator<Item = U>) -> Builder {
        let urls: Vec<String> = urls.into_iter().map(Into::into).collect();
        let check = |url: &String| Tls::check(url.into_client_request()?.uri());
        let refused = urls.iter().find_map(|url| check(url).err());
        let given = urls.len();
        // Made anew for each attempt: a handshake's key must not be used twice.
        let mut builder = Self::with_request(move |attempt: &Attempt<'_>| {
            let url = urls.get(usize::from(attempt.endpoint.get()));
            url.map_or("", String::as_str).into_client_request()
        });
        builder.refused = refused;
        builder.endpoints = Some(given);
        builder
    }

    /// A client that asks for a new request for each attempt, with fresh headers and tokens.
    ///
    /// The function is called once for each attempt, when it is dialled, in the client's task: it
    /// must not block. It is told which of the policy's endpoints to dial and the token at hand. An
    /// error, or a URL that cannot be dialled, counts as a failed attempt.
    pub fn with_request<E: Into<BoxError>>(
        mut request: impl FnMut(&Attempt<'_>) -> Result<Request, E> + Send + 'static,
    ) -> Builder {
        Builder {
            request: Box::new(move |attempt| request(attempt).map_err(Into::into)),
            refused: None,
            endpoints: None,
            policy: Policy::new(),
            seed: None,
            tls: Tls::new(),
            config: WebSocketConfig::default(),
            event_buffer: 256,
            starts: true,
            observer: None,
            trace: None,
            name: None,
            tokens: None,
            outbox: (OUTBOX, OUTBOX_TTL, Overflow::Reject),
            marks_duplicates: false,
            resyncs_gaps: false,
        }
    }
}

/// The settings of a client.
#[must_use = "nothing happens before `connect`"]
pub struct Builder {
    request: MakeRequest,
    /// Why the URL cannot be dialled.
    refused: Option<Error>,
    /// How many URLs were given, if it was a list.
    endpoints: Option<usize>,
    policy: Policy,
    seed: Option<Seed>,
    tls: Tls,
    config: WebSocketConfig,
    event_buffer: usize,
    starts: bool,
    observer: Option<Observer>,
    trace: Option<Sink>,
    name: Option<String>,
    tokens: Option<MakeFetch>,
    outbox: (usize, Duration, Overflow),
    marks_duplicates: bool,
    resyncs_gaps: bool,
}

impl Builder {
    /// When to dial, ping and give up. By default [`Policy::new`].
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Where jitter comes from. By default the operating system's entropy; a fixed seed is for
    /// tests only, for clients with one seed dial in step.
    pub fn seed(mut self, seed: Seed) -> Self {
        self.seed = Some(seed);
        self
    }

    /// The longest message that the server may send; a longer one ends the connection. By default
    /// 64 MiB in frames of 16 MiB.
    pub fn max_message_size(mut self, bytes: usize) -> Self {
        self.config = self.config.max_message_size(Some(bytes)).max_frame_size(Some(bytes));
        self
    }

    /// How to speak TLS where the URL says `wss`: with other root certificates, a client certificate,
    /// another provider of cryptography. Has no effect on `ws`. By default the roots that the features
    /// name.
    ///
    /// All attempts share it, so that a connection may resume the TLS session of the one before. It
    /// should not ask for another protocol than `http/1.1` (ALPN).
    #[cfg(feature = "__rustls")]
    pub fn tls_config(mut self, config: Arc<rustls::ClientConfig>) -> Self {
        self.tls = Tls::with(config);
        self
    }

    /// How many events wait for the application before nothing more is read from the network. By
    /// default 256; at least 1.
    pub fn event_buffer(mut self, events: usize) -> Self {
        self.event_buffer = events;
        self
    }

    /// Leaves the link idle until [`Handle::start`]: subscriptions that are wished for before it are
    /// part of the first `Live`. Otherwise the link starts at once.
    pub fn idle(mut self) -> Self {
        self.starts = false;
        self
    }

    /// Names the link in its span, so that the logs of several links can be told apart.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sees all that goes into the core and comes out of it, at the instants that the core sees. It
    /// runs in the client's task and must not block.
    pub fn observe(mut self, observer: impl FnMut(Instant, Observed<'_>) + Send + 'static) -> Self {
        self.observer = Some(Box::new(observer));
        self
    }

    /// Records a trace, from which `redial-lab replay` and [`redial::trace`] repeat exactly what the
    /// core did: policy, seed, events and actions, and no message. Each line is written at once, in
    /// the client's task, so `to` must not block for long; a `BufWriter` around a file is fine, and
    /// is dropped, which flushes it, before the stream of events ends. If writing fails, the trace ends
    /// and the client goes on.
    pub fn record(mut self, to: impl io::Write + Send + 'static) -> Self {
        self.trace = Some(Box::new(to));
        self
    }

    /// Fetches a token whenever the policy's `refresh` asks for one: before an attempt, or in time
    /// before the last one runs out. It is given to the function of [`Client::with_request`] and to
    /// [`Protocol::greet`] from then on.
    ///
    /// One future runs at a time, in the client's task. It is dropped when it takes longer than the
    /// policy's `refresh_within` and the core has asked anew, and when the client ends.
    pub fn tokens<F>(mut self, mut fetch: impl FnMut() -> F + Send + 'static) -> Self
    where
        F: Future<Output = Result<Token, TokenError>> + Send + 'static,
    {
        self.tokens = Some(Box::new(move || Box::pin(fetch())));
        self
    }

    /// How many messages of [`Handle::send`] wait at most, how long each lives, and what happens to
    /// one more. By default 1000, 30 s, and the new one is rejected.
    pub fn outbox(mut self, messages: usize, time_to_live: Duration, overflow: Overflow) -> Self {
        self.outbox = (messages, time_to_live, overflow);
        self
    }

    /// Delivers numbered data ([`Inbound::Numbered`](crate::Inbound::Numbered)) that came before,
    /// too, marked as such. By default they are left out: during a rotation all data arrive twice.
    pub fn mark_duplicates(mut self) -> Self {
        self.marks_duplicates = true;
        self
    }

    /// Subscribes again to a topic of which something is missing, as [`Handle::resync`] does, besides
    /// telling the [`Gap`](crate::ClientEvent::Gap): right where a new subscription brings a snapshot.
    pub fn resync_gaps(mut self) -> Self {
        self.resyncs_gaps = true;
        self
    }

    /// Starts the client as a task of the present runtime; the link is wanted from now on.
    ///
    /// # Errors
    ///
    /// [`ConnectError`] for what no retry would mend. That nobody answers is none: it is told as a
    /// status, and tried again.
    #[allow(clippy::type_complexity, reason = "a pair of two plain types")]
    pub fn connect<P: Protocol>(
        self,
        protocol: P,
    ) -> Result<(Handle<P::Topic>, Events<P::Topic, P::Data>), ConnectError> {
        self.begin(protocol, None)
    }

    /// As [`connect`](Self::connect), with what an earlier client stored, and storing it for a later
    /// one. A link that was wanted is so again, even with [`idle`](Self::idle), and so are its topics.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect); and [`ConnectError::Snapshot`] where the text is damaged or of
    /// another version, upon which the client can start without it.
    #[allow(clippy::type_complexity, reason = "a pair of two plain types")]
    pub fn connect_with_snapshots<P: Protocol>(
        self,
        protocol: P,
        snapshots: Snapshots<P::Topic>,
    ) -> Result<(Handle<P::Topic>, Events<P::Topic, P::Data>), ConnectError> {
        self.begin(protocol, Some(snapshots))
    }

    #[allow(clippy::type_complexity, reason = "a pair of two plain types")]
    fn begin<P: Protocol>(
        self,
        protocol: P,
        mut snapshots: Option<Snapshots<P::Topic>>,
    ) -> Result<(Handle<P::Topic>, Events<P::Topic, P::Data>), ConnectError> {
        if let Some(error) = self.refused {
            return Err(ConnectError::Url(Box::new(error)));
        }
        let expected = usize::from(self.policy.endpoints());
        if let Some(given) = self.endpoints.filter(|&given| given != expected) {
            return Err(ConnectError::Endpoints { given, expected });
        }
        if self.tokens.is_some() == (self.policy.refresh() == Refresh::Never) {
            return Err(ConnectError::Tokens);
        }
        let runtime = tokio::runtime::Handle::try_current().map_err(|_| ConnectError::NoRuntime)?;
        let seed = match self.seed {
            Some(seed) => seed,
            None => Seed::from_u64(getrandom::u64().map_err(ConnectError::Entropy)?),
        };
        let clock = Clock::new();
        let restored = match &mut snapshots {
            Some(snapshots) => snapshots.take(self.policy, clock.now())?,
            None => None,
        };
        if restored.is_some() && self.trace.is_some() {
            return Err(ConnectError::RestoredTrace);
        }
        let recording = self
            .trace
            .map(|to| Recording::begin(to, self.policy, seed))
            .transpose()
            .map_err(ConnectError::Trace)?;
        let (link, topics) = match restored {
            Some(Restored { mut link, topics }) => {
                // Of several clients that go on from one snapshot each dials at its own time.
                link.reseed(seed);
                (link, topics)
            }
            None => (Link::with_storage(self.policy, seed, Vec::new()), Topics::new()),
        };
        let (messages, time_to_live, overflow) = self.outbox;
        let view = View { status: link.status(), stats: link.stats(), counts: link.counts() };
        let outbox = Outbox::new(messages, time_to_live, overflow);
        let shared = Arc::new(Shared::new(clock, view, outbox));
        let (wish, wishes) = mpsc::unbounded_channel();
        let (producer, consumer) = queue(self.event_buffer);
        let timer = {
            let _in_runtime = runtime.enter();
            Box::pin(tokio::time::sleep(Duration::ZERO))
        };
        let task = Task {
            protocol,
            request: self.request,
            tls: self.tls,
            config: self.config,
            observer: self.observer,
            recording,
            save: snapshots.map(|snapshots| snapshots.save),
            link,
            topics,
            wishes,
            events: producer,
            shared: Arc::clone(&shared),
            timer,
            armed: None,
            sleeps_until: None,
            connections: Connections::new(),
            tokens: Tokens::new(self.tokens),
            token: None,
            in_hand: None,
            gaps: Vec::new(),
            marks_duplicates: self.marks_duplicates,
            resyncs_gaps: self.resyncs_gaps,
            starts: self.starts,
            losses: 0,
        };
        runtime.spawn(task.run().instrument(log::span(self.name.as_deref())));
        Ok((Handle::new(wish, shared), Events::new(consumer)))
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("name", &self.name)
            .field("policy", &self.policy)
            .field("seed", &self.seed)
            .field("tls", &self.tls)
            .field("config", &self.config)
            .field("event_buffer", &self.event_buffer)
            .finish_non_exhaustive()
    }
}

/// What passes between client and core. See [`Builder::observe`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_enums, reason = "a core has inputs and outputs, nothing else")]
pub enum Observed<'a> {
    /// The core was told this.
    Event(&'a Event),
    /// The core asked for this.
    Action(&'a Action),
}

/// Why a client could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// It was not called from within a tokio runtime.
    #[error("no tokio runtime is running")]
    NoRuntime,
    /// The operating system gave no entropy for the seed.
    #[error("no entropy for the seed")]
    Entropy(#[source] getrandom::Error),
    /// The trace of [`Builder::record`] cannot be written.
    #[error("the trace cannot be written")]
    Trace(#[source] io::Error),
    /// The list of URLs and the policy's `endpoints` differ.
    #[error("{given} URLs for the policy's {expected} endpoints")]
    Endpoints {
        /// How many URLs there are.
        given: usize,
        /// How many endpoints the policy has.
        expected: usize,
    },
    /// The policy's `refresh` asks for tokens and [`Builder::tokens`] was not given, or the reverse.
    #[error("a source of tokens without a policy that asks for them, or the reverse")]
    Tokens,
    /// What [`Snapshots::restore`] was given cannot be used.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// A trace of [`Builder::record`] begins with a link that has done nothing yet, and so not with
    /// one that was restored.
    #[error("a restored link cannot be recorded")]
    RestoredTrace,
    /// The URL cannot be dialled: it is none, its scheme is neither `ws` nor `wss`, or it is `wss`
    /// and the crate has no TLS.
    #[error("the URL cannot be dialled")]
    Url(#[source] BoxError),
}

const OUTBOX: usize = 1000;
const OUTBOX_TTL: Duration = Duration::from_secs(30);
