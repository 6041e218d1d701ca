//! Groups, irreps and bases: their laws on every family, against other routes, and on groups that break them.

#[path = "../support/data.rs"]
mod data;
#[path = "../support/families.rs"]
mod families;
#[path = "../support/models.rs"]
mod models;
#[path = "../support/runs.rs"]
mod runs;
#[path = "../support/mod.rs"]
mod support;

mod broken_bases;
mod broken_groups;
mod broken_irreps;
mod cayley_tables;
mod fourier_laws;
mod group_derived;
mod group_families;
mod group_isomorphism;
mod group_laws;
mod group_names;
mod irrep_draws;
mod irreps;
mod permutation_groups;
mod subgroups;
