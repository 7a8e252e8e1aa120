//! How much a conversion may take. Small files can ask for a lot: a definition used in a definition
//! used in a definition, a long text that a thousand nodes show, a long chain that a thousand
//! inputs follow.

use std::num::NonZeroUsize;

use super::error::ConvertError;

/// Bytes that nodes may take while loaded: names and places, not values, which are shared.
const LOADED_BYTES_MAX: usize = 128 << 20;

/// Bytes of values in the prompt: three times the largest body that a GPU provider takes (10 MB).
const PROMPT_BYTES_MAX: usize = 32 << 20;

/// Steps along links: a thousand times what the largest official template needs.
const STEPS_MAX: usize = 2_000_000;

/// Bytes of text that are searched for choices. What is chosen is searched again, level by level.
const SEARCHED_BYTES_MAX: usize = 64 << 20;

/// Bytes that every widget, socket and input costs beside its name.
const ENTRY_BYTES: usize = 128;

/// What is left of each limit.
#[derive(Debug)]
pub struct Budget {
    /// Each limit is divided by this.
    share: usize,
    loaded_bytes: usize,
    prompt_bytes: usize,
    searched_bytes: usize,
    steps: usize,
}

impl Budget {
    /// The whole of every limit, or that part of it.
    pub fn part(share: NonZeroUsize) -> Self {
        let share = share.get();
        Self {
            share,
            loaded_bytes: LOADED_BYTES_MAX / share,
            prompt_bytes: PROMPT_BYTES_MAX / share,
            searched_bytes: SEARCHED_BYTES_MAX / share,
            steps: STEPS_MAX / share,
        }
    }

    /// One widget, socket or input of a loaded node.
    pub fn load(&mut self, name: &str) -> Result<(), ConvertError> {
        let cost = name.len() + ENTRY_BYTES;
        let limit = LOADED_BYTES_MAX / self.share;
        spend(&mut self.loaded_bytes, cost, "bytes of nodes", limit)
    }

    /// One value, or part of one, in the prompt.
    pub fn send(&mut self, size_bytes: usize) -> Result<(), ConvertError> {
        let what = "bytes in the prompt";
        let limit = PROMPT_BYTES_MAX / self.share;
        spend(&mut self.prompt_bytes, size_bytes, what, limit)
    }

    /// A text that is searched for choices.
    pub fn search(&mut self, size_bytes: usize) -> Result<(), ConvertError> {
        let what = "bytes of text to search for choices such as {a|b}";
        let limit = SEARCHED_BYTES_MAX / self.share;
        spend(&mut self.searched_bytes, size_bytes, what, limit)
    }

    /// Steps along a link, or looks at a socket.
    pub fn walk(&mut self, steps: usize) -> Result<(), ConvertError> {
        let limit = STEPS_MAX / self.share;
        spend(&mut self.steps, steps, "steps along links", limit)
    }
}

fn spend(
    left: &mut usize,
    cost: usize,
    what: &'static str,
    limit: usize,
) -> Result<(), ConvertError> {
    *left = left
        .checked_sub(cost)
        .ok_or(ConvertError::TooLarge { what, limit })?;
    Ok(())
}
