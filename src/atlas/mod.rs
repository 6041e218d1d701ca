//! Atlases: what many networks have learnt, a row each, and how often which irreps are learnt.
//!
//! | item | what |
//! |---|---|
//! | [`measure`], [`Measures`] | what one network computes with, in numbers |
//! | [`Entry`] | a network: its settings, how its training ended, its measures |
//! | [`Atlas`] | many networks; tables of them, frequencies of irreps and of sets of key irreps |
//! | [`Frame`] | a table with typed columns, as CSV and Parquet |
//! | [`Proportion`], [`Mean`] | how often something was seen, and means, with intervals |
//! | [`Exchangeability`], [`AtlasComparison`] | tests: of irreps that automorphisms exchange, of two atlases |

mod chance;
mod counts;
mod entry;
mod frame;
mod mean;
mod measures;
#[cfg(feature = "parquet")]
mod parquet;
mod proportion;
mod table;

pub use chance::{AtlasComparison, Exchangeability, IrrepComparison};
pub use counts::{Frequencies, IrrepFrequency, SetFrequency};
pub(crate) use entry::grokked_at;
pub use entry::{Ended, Entry, GROKKED};
pub use frame::{Column, Frame};
pub use mean::Mean;
pub use measures::{Certified, Explained, IMPURE, IrrepUse, LEFT_OUT, Measures, Question, measure};
pub use proportion::{Proportion, fisher_exact};
pub use table::Atlas;
