//! Credits: what a ledger holds against the jobs that it holds it for.

use super::{Code, Finding, Page};
use crate::app::App;
use crate::queue::QueueError;
use crate::store::credits::{self, Audited};

/// Ledgers of one page.
const LEDGERS_MAX: u32 = 200;

/// A round is opened and ended in one batch with what it holds, so no ledger is ever half way in:
/// even a young one that differs is wrong.
pub async fn credits(app: &App, cursor: Option<&str>, apply: bool) -> Result<Page, QueueError> {
    let page = credits::audit(&*app.db, cursor.unwrap_or_default(), LEDGERS_MAX).await?;
    let mut findings = Vec::new();
    for ledger in page.iter().filter(|ledger| ledger.reserved != ledger.held) {
        let mut finding = differs(ledger);
        finding.mended = apply && credits::mend(&*app.db, ledger).await?;
        findings.push(finding);
    }
    let is_full = u32::try_from(page.len()).is_ok_and(|count| count >= LEDGERS_MAX);
    let last = page.last().filter(|_| is_full);
    Ok(Page {
        examined: page.len(),
        findings,
        next: last.map(|ledger| ledger.owner.as_str().to_owned()),
    })
}

fn differs(ledger: &Audited) -> Finding {
    Finding {
        code: Code::CreditsDiffer,
        subject: ledger.owner.as_str().to_owned(),
        says: format!(
            "its ledger holds {} credits, and its jobs under way hold {}",
            ledger.reserved, ledger.held
        ),
        would: Some("hold what they hold, and spend or give back the rest"),
        mended: false,
    }
}
