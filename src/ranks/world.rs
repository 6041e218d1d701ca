//! The ranks by MPI.

#[cfg(feature = "train")]
use crate::error::{Error, Result};
use mpi::Threading;
use mpi::datatype::PartitionMut;
use mpi::environment::Universe;
use mpi::topology::SimpleCommunicator;
use mpi::traits::{Communicator, CommunicatorCollectives, Root};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Numbers in one message: MPI counts in 31 bits.
const MESSAGE: usize = 1 << 28;

/// MPI, until it is dropped.
pub struct World {
    _universe: Universe,
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("World")
    }
}

impl World {
    /// Begins, if `mpirun` has started this process and it has not begun before; tells the rank and the number of ranks.
    pub fn join(tell: impl FnOnce(usize, usize)) -> Option<Self> {
        let started =
            ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMIX_RANK"].iter().any(|name| std::env::var_os(name).is_some());
        if !started {
            return None;
        }
        // Calls come from the program's thread, or from one of the pool's while that one waits.
        let (universe, _) = mpi::initialize_with_threading(Threading::Serialized)?;
        let world = universe.world();
        tell(world.rank() as usize, world.size() as usize);
        Some(Self { _universe: universe })
    }
}

fn world() -> SimpleCommunicator {
    SimpleCommunicator::world()
}

/// The bytes of all ranks, in their order.
fn exchange(own: &[u8]) -> Vec<Vec<u8>> {
    let world = world();
    let mut lengths = vec![0u64; world.size() as usize];
    world.all_gather_into(&(own.len() as u64), &mut lengths[..]);
    let mut all: Vec<Vec<u8>> = lengths.iter().map(|&length| vec![0; length as usize]).collect();
    let longest = lengths.iter().copied().max().unwrap_or(0) as usize;
    // A piece of all ranks' bytes at a time, so that the counts of a message fit.
    let piece = MESSAGE / lengths.len().max(1);
    for start in (0..longest).step_by(piece) {
        let of = |bytes: &[u8]| start.min(bytes.len())..(start + piece).min(bytes.len());
        let counts: Vec<i32> = all.iter().map(|bytes| of(bytes).len() as i32).collect();
        let starts: Vec<i32> = counts
            .iter()
            .scan(0, |sum, &count| {
                *sum += count;
                Some(*sum - count)
            })
            .collect();
        let mut received = vec![0u8; counts.iter().sum::<i32>() as usize];
        world.all_gather_varcount_into(
            &own[of(own)],
            &mut PartitionMut::new(&mut received[..], &counts[..], &starts[..]),
        );
        for (bytes, (&start_at, &count)) in all.iter_mut().zip(starts.iter().zip(&counts)) {
            let range = of(bytes);
            bytes[range].copy_from_slice(&received[start_at as usize..][..count as usize]);
        }
    }
    all
}

/// With the names of fields, so that those which are left out do no harm; numbers with their bits.
fn encoded<T: Serialize>(value: &T) -> Vec<u8> {
    rmp_serde::to_vec_named(value).unwrap_or_else(|error| panic!("results of blocks can be sent: {error}"))
}

fn decoded<T: DeserializeOwned>(bytes: &[u8]) -> T {
    rmp_serde::from_slice(bytes).unwrap_or_else(|error| panic!("what ranks send can be read: {error}"))
}

/// See [`super::gather`].
pub fn gather<T: Serialize + DeserializeOwned>(own: Vec<T>) -> Vec<T> {
    let bytes = encoded(&own);
    drop(own);
    exchange(&bytes).iter().flat_map(|bytes| decoded::<Vec<T>>(bytes)).collect()
}

/// See [`super::from_first`].
#[cfg(feature = "train")]
pub fn from_first<T: Serialize + DeserializeOwned>(made: Option<Result<T>>) -> Result<T> {
    let message = match &made {
        Some(made) => encoded(&made.as_ref().map_err(Error::to_string)),
        None => Vec::new(),
    };
    let all = exchange(&message);
    match made {
        Some(made) => made,
        None => decoded::<Result<T, String>>(&all[0]).map_err(|message| Error::OnOtherRank { message }),
    }
}

/// See [`super::broadcast`].
pub fn broadcast(from: usize, numbers: &mut [f32]) {
    let (world, from) = (world(), from as i32);
    for piece in numbers.chunks_mut(MESSAGE) {
        world.process_at_rank(from).broadcast_into(piece);
    }
}

/// Ends all ranks.
pub fn abort(code: i32) -> ! {
    world().abort(code)
}
