//! The house: order of the modules, words of the documentation, pages, JSON and errors.

#[path = "../support/models.rs"]
mod models;

mod errors;
mod json;
mod layering;
mod pages;
mod words;
