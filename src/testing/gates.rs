//! The gates in memory, which can be told to be silent and to forget.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};

use async_trait::async_trait;

use super::memory::{lock, pause};
use crate::app::App;
use crate::gate::{Answer, Ask};
use crate::ports::{Gate, GateError};
use crate::queue::gate::Keeper;

#[derive(Default)]
pub struct MemoryGates {
    app: OnceLock<Weak<App>>,
    keepers: Mutex<HashMap<String, Arc<Keeper>>>,
    silent: AtomicBool,
    asked: Mutex<Vec<Ask>>,
}

impl MemoryGates {
    pub fn serve(&self, app: &Arc<App>) {
        drop(self.app.set(Arc::downgrade(app)));
    }

    /// While silent, no gate answers.
    pub fn set_silent(&self, silent: bool) {
        self.silent.store(silent, Ordering::SeqCst);
    }

    /// What happens when the platform moves the objects: their memory is gone.
    pub fn forget(&self) {
        lock(&self.keepers).clear();
    }

    /// What was asked since this was last asked: each is a request to a durable object.
    pub fn take_asked(&self) -> Vec<Ask> {
        std::mem::take(&mut lock(&self.asked))
    }
}

#[async_trait]
impl Gate for MemoryGates {
    async fn ask(&self, endpoint: &str, ask: Ask) -> Result<Answer, GateError> {
        lock(&self.asked).push(ask.clone());
        if self.silent.load(Ordering::SeqCst) {
            return Err(GateError("told to be silent".into()));
        }
        let app = self.app.get().and_then(Weak::upgrade);
        let app = app.ok_or_else(|| GateError("nobody's gates".into()))?;
        let keeper = {
            let mut keepers = lock(&self.keepers);
            let new = || Arc::new(Keeper::new(endpoint));
            Arc::clone(keepers.entry(endpoint.to_owned()).or_insert_with(new))
        };
        let answer = keeper.answer(&app, ask).await;
        pause().await;
        answer.map_err(|error| GateError(error.to_string()))
    }
}
