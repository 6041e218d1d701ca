//! | page | what |
//! |---|---|
//! | [`introduction`] | what the crate is for, and where to start |
//! | [`examples`] | the numbered examples in reading order |
//! | [`dihedral`] | the notebook told again on the shipped network |
//! | [`conventions`] | orders, axes, normalisations, types: binding |
//! | [`design`] | why the crate is as it is |
//! | [`glossary`] | the field's terms and where they live here |
//! | [`notebook`] | every cell of the notebook this started from, with the function that answers it |
//! | [`reports`] | pages for runs, figures for programs and papers |
//! | [`training`] | networks of your own: commands, what to expect, how to choose |
//! | [`replication`] | mistakes in the source material, and what is done here |
//! | [`performance`] | what takes how long, against what |
//! | [`gpu`] | models and training on a CUDA device, and how that is tested |
//! | [`groups`] | groups by name: the language that `GroupName` reads |
//! | [`adding_a_group`] | a group type of your own, with its laws and an analysis |
//! | [`identify`] | which group a multiplication table is of, and whether two are the same |
//! | [`adding_a_model`] | a model of your own, from Rust or from a file |

// For the links in the pages, which resolve from here.
#[cfg(all(doc, feature = "report"))]
use crate::report;
#[cfg(doc)]
use crate::{analysis, checkpoint, error, fourier, group, irrep, laws, linalg, memory, model, task, train};

#[doc = include_str!("../docs/introduction.md")]
pub mod introduction {}

#[doc = include_str!("../docs/examples.md")]
pub mod examples {}

#[doc = include_str!("../docs/dihedral.md")]
pub mod dihedral {}

#[doc = include_str!("../docs/conventions.md")]
pub mod conventions {}

#[doc = include_str!("../docs/design.md")]
pub mod design {}

#[doc = include_str!("../docs/glossary.md")]
pub mod glossary {}

#[doc = include_str!("../docs/notebook.md")]
pub mod notebook {}

#[cfg(feature = "report")]
#[doc = include_str!("../docs/report.md")]
pub mod reports {}

#[cfg(feature = "train")]
#[doc = include_str!("../docs/training.md")]
pub mod training {}

#[doc = include_str!("../docs/replication.md")]
pub mod replication {}

#[doc = include_str!("../docs/performance.md")]
pub mod performance {}

#[doc = include_str!("../docs/gpu.md")]
pub mod gpu {}

#[doc = include_str!("../docs/groups.md")]
pub mod groups {}

#[doc = include_str!("../docs/adding-a-group.md")]
pub mod adding_a_group {}

#[doc = include_str!("../docs/identify.md")]
pub mod identify {}

#[doc = include_str!("../docs/adding-a-model.md")]
pub mod adding_a_model {}

/// README.md, for its tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
