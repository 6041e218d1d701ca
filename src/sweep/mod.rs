//! Sweeps: all networks of a plan, trained and measured once each, by as many processes as there are.

mod cell;
mod folder;
mod plan;
mod run;

pub use cell::Cell;
pub use folder::CellState;
pub use plan::{Keep, Plan};
pub use run::{Ran, Sweep};
