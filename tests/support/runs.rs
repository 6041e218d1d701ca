//! Small run directories.
#![allow(dead_code)]

use super::models::Draw;
use irreplens::checkpoint::{GroupKind, Layers, LrDecay, ModelKind, RunConfig, Tensor, Tensors, write_safetensors};
use irreplens::group::{GroupExt, PermutationGroup, Symmetric};
use serde_json::Map;
use std::collections::BTreeMap;
use std::path::Path;

/// Writes a run with random weights: `cfg.json` and `model.safetensors`.
pub fn write_run(folder: &Path, model: ModelKind, group: GroupKind, n: usize, seed: u64) -> RunConfig {
    let (embed, hidden) = (3, 6);
    let order = group.order(n).unwrap();
    let width = if model.has_hidden() { hidden } else { embed };
    let mut draw = Draw::new(seed);
    let mut tensors = Tensors::new();
    let mut add = |name: &str, rows, columns| {
        tensors.insert(name.into(), Tensor::F32(draw.matrix(rows, columns).into_dyn()));
    };
    add("W_x", order, embed);
    add("W_y", order, embed);
    match model {
        ModelKind::OneLayerMlp | ModelKind::OneLayerMlpWithBias => add("W", 2 * embed, hidden),
        ModelKind::TwoLayerMlp => add("W", embed, hidden),
        _ => {}
    }
    add("W_U", width, order);
    if model == ModelKind::OneLayerMlpWithBias {
        tensors.insert("b".into(), Tensor::F32(draw.matrix(1, hidden).row(0).to_owned().into_dyn()));
    }
    let config = RunConfig {
        model: model.into(),
        group,
        group_parameter: n,
        seed: 1,
        frac_train: 0.5,
        layers: Layers {
            embed_dim: embed,
            hidden_dim: model.has_hidden().then_some(hidden),
            output_bias: None,
            other: Map::new(),
        },
        lr: 1e-3,
        weight_decay: 1.0,
        betas: (0.9, 0.98),
        eps: 1e-8,
        warmup_epochs: 0,
        lr_decay: LrDecay::Constant,
        optimiser: Default::default(),
        label_smoothing: 0.0,
        num_epochs: 0,
        missing: Vec::new(),
        other: Map::new(),
    };
    config.write(folder.join("cfg.json")).unwrap();
    write_safetensors(folder.join("model.safetensors"), &tensors, &BTreeMap::new()).unwrap();
    config
}

/// The permutations of n points as a file of an element order.
pub fn write_order(file: &Path, n: usize) {
    let group = Symmetric::new(n).unwrap();
    let elements: Vec<Vec<usize>> = group.elements().map(|x| group.permutation(x).to_vec()).collect();
    std::fs::write(
        file,
        serde_json::to_string(
            &serde_json::json!({ "group": "S<n>", "composition": "(p*q)[i] = q[p[i]]", "elements": elements }),
        )
        .unwrap(),
    )
    .unwrap();
    PermutationGroup::from_json(file).unwrap();
}
