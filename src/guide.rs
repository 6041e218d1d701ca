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
//! | [`adding_a_basis`] | coordinates of your own, with their laws and an analysis |
//! | [`explanations`] | the algorithm a network computes with, as a network, with a proof |
//! | [`adding_a_model`] | a model of your own, from Rust or from a file |

/// A page as a module. Its links lead to the files beside it and to docs.rs; in front of it stand definitions of the same names
/// that lead to here (`docs/links.py write` writes both), and the first definition of a name counts.
macro_rules! page {
    ($(#[$attribute:meta])* $module:ident, $file:literal) => {
        $(#[$attribute])*
        #[doc = include_str!("guide_links.md")]
        #[doc = include_str!(concat!("../docs/", $file))]
        pub mod $module {}
    };
}

page!(introduction, "introduction.md");
page!(examples, "examples.md");
page!(dihedral, "dihedral.md");
page!(conventions, "conventions.md");
page!(design, "design.md");
page!(glossary, "glossary.md");
page!(notebook, "notebook.md");
page!(
    #[cfg(feature = "report")]
    reports,
    "report.md"
);
page!(
    #[cfg(feature = "train")]
    training,
    "training.md"
);
page!(replication, "replication.md");
page!(performance, "performance.md");
page!(gpu, "gpu.md");
page!(groups, "groups.md");
page!(adding_a_group, "adding-a-group.md");
page!(identify, "identify.md");
page!(adding_a_basis, "adding-a-basis.md");
page!(adding_a_model, "adding-a-model.md");
page!(explanations, "explanations.md");
page!(scale, "scale.md");
page!(
    #[cfg(feature = "train")]
    sweeps,
    "sweeps.md"
);
page!(
    #[cfg(feature = "train")]
    selection,
    "selection.md"
);

/// README.md, for its tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
