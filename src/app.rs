//! The application: settings, ports and providers, shared by everything that runs.

use std::sync::Arc;

use crate::config::{Config, Mode, Problem};
use crate::id::JobId;
use crate::log::Line;
use crate::outgoing::Outgoing;
use crate::ports::{Blobs, Clock, Db, Entropy, Gate, Http, Log, Tasks, Watchers};
use crate::providers::runpod::{self, Runpod};
use crate::providers::simulated::Simulated;
use crate::providers::Provider;
use crate::room::Room;
use crate::time::UnixMillis;
use crate::token::Signer;

/// The outside world.
pub struct Ports {
    pub db: Arc<dyn Db>,
    pub blobs: Arc<dyn Blobs>,
    pub http: Arc<dyn Http>,
    pub watchers: Arc<dyn Watchers>,
    pub gate: Arc<dyn Gate>,
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
    pub watchers: Arc<dyn Watchers>,
    pub gate: Arc<dyn Gate>,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
    pub tasks: Arc<dyn Tasks>,
    pub log: Arc<dyn Log>,
    /// Of the isolate that this application lives in.
    pub room: Room,
    pub providers: Providers,
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
    /// Fails only for settings that a provider refuses.
    pub fn new(config: Config, ports: Ports) -> Result<Self, Vec<Problem>> {
        let room = Room::default();
        let outgoing = Outgoing {
            http: Arc::clone(&ports.http),
            room: room.clone(),
        };
        let providers = providers(&config, &ports, &outgoing)?;
        Ok(Self {
            signer: Signer::new(&config.token_secrets),
            config,
            db: ports.db,
            blobs: ports.blobs,
            http: ports.http,
            watchers: ports.watchers,
            gate: ports.gate,
            clock: ports.clock,
            entropy: ports.entropy,
            tasks: ports.tasks,
            log: ports.log,
            room,
            providers,
        })
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

fn providers(
    config: &Config,
    ports: &Ports,
    outgoing: &Outgoing,
) -> Result<Providers, Vec<Problem>> {
    let simulated = || -> Arc<dyn Provider> {
        Arc::new(Simulated {
            clock: Arc::clone(&ports.clock),
            outgoing: outgoing.clone(),
            tasks: Arc::clone(&ports.tasks),
        })
    };
    let live = live(config, ports, outgoing)?;
    Ok(match (config.mode, live) {
        // A configuration without an endpoint is never live.
        (Mode::Simulated, live) => Providers {
            current: simulated(),
            others: live.into_iter().collect(),
        },
        (Mode::Live, live) => Providers {
            current: live.unwrap_or_else(simulated),
            others: Vec::new(),
        },
    })
}

fn live(
    config: &Config,
    ports: &Ports,
    outgoing: &Outgoing,
) -> Result<Option<Arc<dyn Provider>>, Vec<Problem>> {
    let Some(settings) = config.runpod.clone() else {
        return Ok(None);
    };
    let settings = runpod::Settings {
        base_url: settings.base_url.unwrap_or_else(|| runpod::BASE_URL.into()),
        endpoint_id: settings.endpoint_id,
        api_key: settings.api_key,
    };
    match Runpod::new(settings, outgoing.clone(), Arc::clone(&ports.clock)) {
        Ok(runpod) => Ok(Some(Arc::new(runpod))),
        Err(error) => Err(vec![Problem {
            setting: error.setting(),
            problem: error.to_string(),
        }]),
    }
}
