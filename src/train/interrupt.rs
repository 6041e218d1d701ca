//! The flag that stops training when the process is asked to end.

use crate::error::{Error, Result};
use crate::model::lock;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use std::io;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

/// A flag that Ctrl-C (SIGINT) and SIGTERM set, for [`Trainer::interrupted_by`](super::Trainer::interrupted_by); a
/// second one ends the process at once, with exit status 130.
///
/// There is one flag in a process: every call returns the same.
///
/// # Errors
/// [`Error::Io`] if the system refuses the handler.
pub fn on_ctrl_c() -> Result<Arc<AtomicBool>> {
    static FLAG: Mutex<Option<Arc<AtomicBool>>> = Mutex::new(None);
    let mut registered = lock(&FLAG);
    if let Some(flag) = &*registered {
        return Ok(Arc::clone(flag));
    }
    let set = Arc::new(AtomicBool::new(false));
    let register = |signal| -> io::Result<()> {
        // In this order: the first signal finds the flag unset and sets it, the second finds it set.
        flag::register_conditional_shutdown(signal, 130, Arc::clone(&set))?;
        flag::register(signal, Arc::clone(&set))?;
        Ok(())
    };
    for signal in [SIGINT, SIGTERM] {
        register(signal).map_err(|source| Error::Io { path: "signal handler".into(), source })?;
    }
    *registered = Some(Arc::clone(&set));
    Ok(set)
}
