//! The application: settings and ports, shared by everything that runs.

use std::sync::Arc;

use crate::config::Config;
use crate::id::JobId;
use crate::log::Line;
use crate::ports::{Blobs, Clock, Db, Entropy, Gate, Log, Tasks, Watchers};
use crate::providers::Provider;
use crate::time::UnixMillis;
use crate::token::Signer;

pub struct App {
    pub config: Config,
    pub signer: Signer,
    pub db: Arc<dyn Db>,
    pub blobs: Arc<dyn Blobs>,
    pub http: Arc<dyn crate::ports::Http>,
    pub watchers: Arc<dyn Watchers>,
    pub gate: Arc<dyn Gate>,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
    pub tasks: Arc<dyn Tasks>,
    pub log: Arc<dyn Log>,
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
