//! Pictures: one self-contained HTML page for a run or a model, and single figures for programs and papers.
//!
//! | wanted | start at |
//! |---|---|
//! | the page of a run directory | [`of_run`] |
//! | the page of a model of one's own | [`of_model`] with a [`Subject`] |
//! | a page of one's own | [`Page`], [`analysis::Table`](crate::analysis::Table) |
//! | one picture of an analysis | [`figures`] |
//! | one picture of anything | [`Figure`] |
//! | that picture in a plotly program | [`Figure::plotly`] |
//! | that picture in a paper | [`Figure::svg`], [`Figure::png`] |
//!
//! [`guide::reports`](crate::guide::reports) goes through all of them.
//!
//! # Example
//! ```
//! use irreplens::analysis::embedding;
//! use irreplens::{fourier::CyclicSubgroupBasis, group::Cyclic, model::Network};
//! use irreplens::report::{Page, figures};
//! use ndarray::Array2;
//! let wave = Array2::from_shape_fn((8, 1), |(t, _)| (std::f32::consts::TAU * t as f32 / 8.0).cos());
//! let net = Network::summed(wave.clone(), wave.clone(), wave.reversed_axes())?;
//! let spectra = embedding(&net, &CyclicSubgroupBasis::cyclic(&Cyclic::new(8)?))?;
//!
//! let norms = figures::embedding_norms(&spectra);
//! assert_eq!(norms[0].title, "Norm of embedding coef of each Fourier Component in W_E_a");
//! let folder = tempfile::tempdir().unwrap();
//! norms[0].svg(folder.path().join("W_E_a.svg"))?;
//! let mut page = Page::new("A cosine");
//! page.figures(norms);
//! page.write(folder.path().join("page.html"))?;
//! # Ok::<(), irreplens::Error>(())
//! ```

mod export;
mod figure;
pub mod figures;
mod model;
mod pack;
mod page;
mod plotly;
mod run;
mod summary;

pub use figure::{Axis, Figure, Heat, Line, Marks, Points, Scale};
pub use model::{Subject, of_model};
pub use page::{Control, Page};
pub use run::of_run;
