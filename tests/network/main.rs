//! Networks as descriptions: passes and gradients of every kind of step against a slow reading in f64.

#[path = "../support/data.rs"]
mod data;
#[path = "../support/descriptions.rs"]
mod descriptions;
#[path = "../support/models.rs"]
mod models;
#[path = "../support/oracle.rs"]
mod oracle;

mod bad_input;
mod by_hand;
mod heads;
mod laws;
mod transformers;
