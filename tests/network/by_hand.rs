//! A transformer written by hand, which implements the trait and nothing that is optional: what analyses cannot say of it
//! they say in words.

use super::models;
use irreplens::Error;
use irreplens::analysis::{
    Cell, Table, cosets, gradient_symmetricity, heads, interpret, progress_measures, representation,
};
use irreplens::fourier::{CyclicSubgroupBasis, FourierBasis, IrrepBasis};
use irreplens::group::{Dihedral, subgroup_classes};
use irreplens::task::{Split, Task};

#[test]
fn nothing_is_left_blank_without_a_reason() {
    let group = Dihedral::new(3).unwrap();
    let model = models::Opaque(models::transformer(6, 3));
    let (along, basis) = (CyclicSubgroupBasis::dihedral(&group), IrrepBasis::new(&group).unwrap());
    let (task, split) = (Task::new(&group), Split::random(6, 0.5, 1).unwrap());

    let measures = representation(&model, &group, &basis, &task, &split).unwrap();
    assert!(
        measures.along.is_none()
            && measures.to_string().contains("of what the neurons of each irrep are made is not said")
    );
    let found = interpret(&model, &along, &task).unwrap();
    let layer = &heads(&model, &along, &task).unwrap()[0];
    assert_eq!(layer.notes.len(), 1);
    assert!(layer.notes[0].contains("not known to be linear"), "{:?}", layer.notes);
    let reason = |table: &Table, reason: &str| assert!(table.reasons().iter().any(|r| r.contains(reason)), "{table}");
    reason(&measures.table(), "the model has no such map");
    reason(&layer.stream_table(), "see the notes");
    reason(&found.embedding.table(), "no embeddings, maps to neurons or unembedding");
    for table in [measures.table(), found.embedding.table(), layer.table(), layer.block_table(), layer.stream_table()] {
        for row in &table.rows {
            assert!(row.len() == table.columns.len() && row.len() > 1, "{table}");
            assert!(row.iter().all(|cell| !matches!(cell, Cell::Missing(reason) if reason.is_empty())), "{table}");
        }
    }

    let needs = |error: Error| match error {
        Error::Unsupported { needs, .. } => needs,
        other => panic!("{other}"),
    };
    let classes = subgroup_classes(&group, 100).unwrap();
    assert!(needs(cosets(&model, &group, &classes).unwrap_err()).contains("a map of x and a map of y"));
    assert!(
        needs(progress_measures(&model, &basis, &task, &split, &basis.block_ids()[1..2]).unwrap_err())
            .contains("unembedding")
    );
    assert!(needs(gradient_symmetricity(&model, None).unwrap_err()).contains("embeddings of both elements"));
}
