//! The application: settings, ports and providers, shared by everything that runs.

use std::sync::Arc;

use crate::access::{Memory, Window};
use crate::config::{Config, Gpu, RunpodSettings};
use crate::id::JobId;
use crate::log::Line;
use crate::outgoing::Outgoing;
use crate::ports::{
    Blobs, Clock, Db, Ed25519, Entropy, Gate, Http, Log, Mailer, RateLimiter, Tasks, Watchers,
};
use crate::providers::runpod::Runpod;
use crate::providers::simulated::Simulated;
use crate::providers::{Health, Provider};
use crate::room::Room;
use crate::store::keys::StoredKey;
use crate::store::spending::{Backlog, Standing};
use crate::time::UnixMillis;
use crate::token::Signer;

/// How long an isolate believes what it read of an API key.
pub const KEY_KEEP_MS: u64 = 30_000;
/// Keys remembered by one isolate, a kilobyte each.
const KEYS_KEPT_MAX: usize = 1_000;
/// How long it turns away by itself who has used up a minute or a day: a flood of refused creates
/// then costs neither objects nor batches.
const SPENT_KEEP_MS: u64 = 60_000;
/// How long it believes a count of the jobs that have not ended.
const BACKLOG_KEEP_MS: u64 = 5_000;
/// Anybody may ask for it, and an answer costs a read of each store.
const HEALTH_KEEP_MS: u64 = 5_000;
/// Whoever may read may ask for it, and an answer costs a call to the provider. The console asks
/// every ten seconds.
const WORKERS_KEEP_MS: u64 = 9_000;
/// When a provider fails, every job fails: one e-mail says so.
const MAIL_EVERY_MS: u64 = 60_000;

/// The outside world.
pub struct Ports {
    pub db: Arc<dyn Db>,
    pub blobs: Arc<dyn Blobs>,
    pub http: Arc<dyn Http>,
    pub watchers: Arc<dyn Watchers>,
    pub gate: Arc<dyn Gate>,
    pub limiter: Arc<dyn RateLimiter>,
    /// `None`: nothing sends e-mail here.
    pub mailer: Option<Arc<dyn Mailer>>,
    pub ed25519: Arc<dyn Ed25519>,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
    pub tasks: Arc<dyn Tasks>,
    pub log: Arc<dyn Log>,
}

pub struct App {
    pub config: Config,
    pub signer: Signer,
    pub db: Arc<dyn Db>,
    pub blobs: Arc<dyn Blobs>,
    pub http: Arc<dyn Http>,
    /// The same for answers that are wanted whole.
    pub outgoing: Outgoing,
    pub watchers: Arc<dyn Watchers>,
    pub gate: Arc<dyn Gate>,
    pub limiter: Arc<dyn RateLimiter>,
    pub mailer: Option<Arc<dyn Mailer>>,
    pub ed25519: Arc<dyn Ed25519>,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
    pub tasks: Arc<dyn Tasks>,
    pub log: Arc<dyn Log>,
    /// Of the isolate that this application lives in.
    pub room: Room,
    pub providers: Providers,
    /// Keys that were read a moment ago, by id.
    pub known_keys: Memory<StoredKey>,
    /// Accounts that were found to have used up a window, with what was counted and when.
    pub known_spent: Memory<(Window, Standing, UnixMillis)>,
    /// Which jobs had not ended a moment ago, under the empty name.
    pub known_backlog: Memory<Backlog>,
    /// Whether both stores answered a moment ago, under the empty name.
    pub known_well: Memory<()>,
    /// How the endpoint's workers were a moment ago, under the empty name; `None`: it is asked.
    pub known_workers: Memory<Option<Health>>,
    /// Whether an e-mail left a moment ago, under the empty name.
    pub known_mailed: Memory<()>,
}

/// The providers that can be spoken to. New jobs go to `current`; a job of another one is still
/// looked after as long as that one is configured.
pub struct Providers {
    pub current: Arc<dyn Provider>,
    pub others: Vec<Arc<dyn Provider>>,
}

impl Providers {
    pub fn named(&self, name: &str) -> Option<&Arc<dyn Provider>> {
        std::iter::once(&self.current)
            .chain(&self.others)
            .find(|provider| provider.name() == name)
    }
}

impl App {
    pub fn new(config: Config, ports: Ports) -> Self {
        let room = Room::default();
        let outgoing = Outgoing {
            http: Arc::clone(&ports.http),
            room: room.clone(),
        };
        Self {
            providers: providers(&config.gpu, &ports, &outgoing),
            outgoing,
            signer: Signer::new(&config.token_secrets),
            config,
            db: ports.db,
            blobs: ports.blobs,
            http: ports.http,
            watchers: ports.watchers,
            gate: ports.gate,
            limiter: ports.limiter,
            mailer: ports.mailer,
            ed25519: ports.ed25519,
            known_keys: Memory::new(KEY_KEEP_MS, KEYS_KEPT_MAX),
            known_spent: Memory::new(SPENT_KEEP_MS, KEYS_KEPT_MAX),
            known_backlog: Memory::new(BACKLOG_KEEP_MS, 1),
            known_well: Memory::new(HEALTH_KEEP_MS, 1),
            known_workers: Memory::new(WORKERS_KEEP_MS, 1),
            known_mailed: Memory::new(MAIL_EVERY_MS, 1),
            clock: ports.clock,
            entropy: ports.entropy,
            tasks: ports.tasks,
            log: ports.log,
            room,
        }
    }

    pub fn now(&self) -> UnixMillis {
        self.clock.now()
    }

    pub fn log(&self, line: Line) {
        line.write(&*self.log, &*self.clock);
    }

    pub fn random<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.entropy.fill(&mut bytes);
        bytes
    }

    pub fn mint_job_id(&self) -> JobId {
        JobId::mint(self.now(), self.random())
    }

    /// Sixteen random hexadecimal characters: names one try of something that may be tried twice.
    pub fn nonce(&self) -> String {
        format!("{:016x}", u64::from_be_bytes(self.random()))
    }
}

fn providers(gpu: &Gpu, ports: &Ports, outgoing: &Outgoing) -> Providers {
    let runpod = |settings: &RunpodSettings| -> Arc<dyn Provider> {
        let clock = Arc::clone(&ports.clock);
        Arc::new(Runpod::new(settings.clone(), outgoing.clone(), clock))
    };
    match gpu {
        Gpu::Runpod(settings) => Providers {
            current: runpod(settings),
            others: Vec::new(),
        },
        Gpu::Simulated { beside } => Providers {
            current: Arc::new(Simulated {
                clock: Arc::clone(&ports.clock),
                outgoing: outgoing.clone(),
                tasks: Arc::clone(&ports.tasks),
            }),
            others: beside.iter().map(runpod).collect(),
        },
    }
}
