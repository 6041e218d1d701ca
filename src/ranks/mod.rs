//! The processes of one computation: under `mpirun -n R` every rank runs the whole program, and blocks of work are shared out.
//!
//! A program that has [`join`]ed works on its blocks with all ranks: [`linalg::map_blocks`](crate::linalg::map_blocks) and the passes of
//! training give each rank some of the blocks that one process would work on, and every rank has all results, in their order. So all
//! ranks know the same, with the same bits, whatever their number; each decides alike, and only the first writes files and prints.
//!
//! Work is shared out by calls from a program's own thread. What is called within a parallel loop, on the threads of a pool, is
//! computed by each rank for itself. A program that calls this crate from several threads of its own must not join.
//!
//! Without the feature `mpi` there is one rank, and nothing here costs anything.
//!
//! ```
//! let ranks = irreplens::ranks::join();
//! assert!(ranks.rank() < ranks.count());
//! ```

#[cfg(feature = "mpi")]
mod world;

use serde::Serialize;
use serde::de::DeserializeOwned;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

/// This process among those of its computation, for as long as it takes part.
#[derive(Debug)]
pub struct Ranks {
    #[cfg(feature = "mpi")]
    world: Option<world::World>,
}

static RANK: AtomicUsize = AtomicUsize::new(0);
static COUNT: AtomicUsize = AtomicUsize::new(1);

/// Takes part in the computation of the processes that `mpirun` has started, until what is returned is dropped: at the end of `main`.
///
/// Without the feature `mpi`, without `mpirun`, or if it is called again, there is one rank.
#[must_use]
pub fn join() -> Ranks {
    #[cfg(feature = "mpi")]
    return Ranks {
        world: world::World::join(|rank, count| {
            RANK.store(rank, Ordering::Relaxed);
            COUNT.store(count, Ordering::Relaxed);
        }),
    };
    #[cfg(not(feature = "mpi"))]
    Ranks {}
}

impl Ranks {
    /// The number of this process, from 0 up.
    #[must_use]
    pub fn rank(&self) -> usize {
        rank()
    }

    /// The number of processes.
    #[must_use]
    pub fn count(&self) -> usize {
        count()
    }

    /// Ends all processes with this exit code: what a program does with an error that the others may not have, and would wait for.
    pub fn abort(self, code: i32) -> ! {
        #[cfg(feature = "mpi")]
        if count() > 1 {
            world::abort(code);
        }
        std::process::exit(code)
    }
}

#[cfg(feature = "mpi")]
impl Drop for Ranks {
    fn drop(&mut self) {
        if self.world.take().is_some() {
            RANK.store(0, Ordering::Relaxed);
            COUNT.store(1, Ordering::Relaxed);
        }
    }
}

/// The number of this process, from 0 up.
#[must_use]
pub fn rank() -> usize {
    RANK.load(Ordering::Relaxed)
}

/// The number of processes.
#[must_use]
pub fn count() -> usize {
    COUNT.load(Ordering::Relaxed)
}

/// Whether this is the process that writes files and prints.
#[must_use]
pub fn is_first() -> bool {
    rank() == 0
}

/// Whether work begun here, and now, is shared out among several ranks.
pub(crate) fn is_shared() -> bool {
    count() > 1 && rayon::current_thread_index().is_none()
}

/// Blocks of this rank, of so many in all.
pub(crate) fn own(blocks: usize) -> Range<usize> {
    of_rank(rank(), blocks)
}

fn of_rank(rank: usize, blocks: usize) -> Range<usize> {
    let border = |rank: usize| blocks * rank / count();
    border(rank)..border(rank + 1)
}

/// The rank that a block belongs to.
pub(crate) fn owner(block: usize, blocks: usize) -> usize {
    (0..count()).find(|&rank| of_rank(rank, blocks).contains(&block)).unwrap_or(0)
}

/// The results of all ranks' blocks, in order, from this rank's.
pub(crate) fn gather<T: Serialize + DeserializeOwned>(own: Vec<T>) -> Vec<T> {
    #[cfg(feature = "mpi")]
    return world::gather(own);
    #[cfg(not(feature = "mpi"))]
    own
}

/// What the first rank has made of it, on every rank.
///
/// # Errors
/// The first rank's, on every rank.
#[cfg(feature = "train")]
pub(crate) fn from_first<T: Serialize + DeserializeOwned>(make: impl FnOnce() -> crate::Result<T>) -> crate::Result<T> {
    #[cfg(feature = "mpi")]
    if count() > 1 {
        return world::from_first(is_first().then(make));
    }
    make()
}

/// Overwrites the numbers of all ranks with those of one.
pub(crate) fn broadcast(from: usize, numbers: &mut [f32]) {
    #[cfg(feature = "mpi")]
    world::broadcast(from, numbers);
    #[cfg(not(feature = "mpi"))]
    let _ = (from, numbers);
}

/// Whether any rank says so.
#[cfg(feature = "train")]
pub(crate) fn any(flag: bool) -> bool {
    if count() == 1 { flag } else { gather(vec![flag]).contains(&true) }
}
