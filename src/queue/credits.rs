//! Credits: what an owner has left, and how it gets more.

use thiserror::Error;

use super::{session, Call, QueueError};
use crate::access::Credits;
use crate::app::App;
use crate::config::Mode;
use crate::id::CallerId;
use crate::log;
use crate::store::credits::{self, Balance, Entry, Grant};
use crate::store::spending::{self, Beside, Charged};
use crate::time::UnixMillis;

/// What a grant says of a simulated purchase.
const PURCHASE: &str = "simulated purchase";

#[derive(Debug, Error)]
pub enum NoGrant {
    /// Nobody pays with credits, or not this caller.
    #[error("no credits are asked for")]
    Free,
    #[error("credits are not sold here")]
    NotSold,
    /// As many purchases as strangers have jobs in a day: a row each that somebody keeps.
    #[error("the purchases of this day are used up")]
    Spent(UnixMillis),
    #[error(transparent)]
    Queue(#[from] QueueError),
}

/// How a caller stands.
#[derive(Debug)]
pub struct Books {
    /// `None`: its jobs cost no credits.
    pub balance: Option<Balance>,
    /// The newest first.
    pub entries: Vec<Entry>,
    /// Whether it can buy some by itself.
    pub can_purchase: bool,
}

/// Credits to be given, and the name of the payment.
#[derive(Clone, Copy, Debug)]
pub struct Given<'a> {
    pub credits: u32,
    pub id: &'a str,
    pub why: &'a str,
}

/// A ledger that is not opened yet is shown as it would begin.
pub async fn show(app: &App, call: &Call) -> Result<Books, QueueError> {
    let begins = match call.rights.credits {
        Credits::Free => {
            return Ok(Books {
                balance: None,
                entries: Vec::new(),
                can_purchase: false,
            })
        }
        Credits::IfGranted => None,
        Credits::Begins(credits) => Some(Balance {
            granted: credits.into(),
            ..Balance::default()
        }),
    };
    let (balance, entries) = credits::books(&*app.db, &call.caller).await?;
    Ok(Books {
        balance: balance.or(begins),
        entries,
        can_purchase: can_purchase(app, call),
    })
}

/// What a payment would do, where the GPU is simulated and nobody pays.
pub async fn purchase(
    app: &App,
    call: &Call,
    credits: u32,
    id: Option<&str>,
) -> Result<Balance, NoGrant> {
    if call.rights.credits == Credits::Free {
        return Err(NoGrant::Free);
    }
    if !can_purchase(app, call) {
        return Err(NoGrant::NotSold);
    }
    if let Some(account) = &call.rights.account {
        let now = app.now();
        let purchase = Beside {
            account: format!("{}:purchases", account.name),
            caller: &call.caller,
            now,
            day_max: account.limits.jobs_per_day.unwrap_or(0),
            uploads_max: None,
        };
        let charged = spending::charge_beside(&*app.db, &purchase).await;
        if charged.map_err(QueueError::from)? != Charged::Yes {
            return Err(NoGrant::Spent(now));
        }
    }
    let minted = app.nonce();
    let id = id.unwrap_or(&minted);
    let why = PURCHASE;
    give(app, call, &call.caller, Given { credits, id, why }).await
}

fn can_purchase(app: &App, call: &Call) -> bool {
    app.config.mode() == Mode::Simulated && session::owns(&call.caller)
}

/// Gives an owner credits; twice under one id is the same as once.
pub async fn give(
    app: &App,
    call: &Call,
    owner: &CallerId,
    given: Given<'_>,
) -> Result<Balance, NoGrant> {
    if app.config.access.session_credits.is_none() {
        return Err(NoGrant::Free);
    }
    let begins = if session::owns(owner) {
        session::credits(app)
    } else {
        Credits::IfGranted
    };
    let grant = Grant {
        owner,
        id: given.id,
        credits: given.credits,
        why: given.why,
        at: app.now(),
        begins,
    };
    let balance = credits::grant(&*app.db, &grant).await;
    let balance = balance.map_err(QueueError::from)?;
    app.log(
        log::info("credits.granted")
            .with("request_id", call.request_id.as_str())
            .with("by", call.caller.as_str())
            .with("owner", owner.as_str())
            .with("credits", given.credits),
    );
    Ok(balance)
}
