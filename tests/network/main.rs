//! Models: their laws, and networks as descriptions, whose passes and gradients are held to a slow reading in f64.

#[path = "../support/data.rs"]
mod data;
#[path = "../support/descriptions.rs"]
mod descriptions;
#[path = "../support/models.rs"]
mod models;
#[path = "../support/oracle.rs"]
mod oracle;

mod bad_input;
mod broken_models;
mod by_hand;
#[cfg(all(feature = "report", feature = "train"))]
mod described;
mod heads;
mod laws;
mod losses;
mod model_laws;
mod transformers;
