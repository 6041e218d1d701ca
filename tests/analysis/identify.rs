//! Which group a network has learnt: published models without settings and without an element order, networks that have
//! learnt nothing, something else, or half of it.

use super::{data, models};
use irreplens::Error;
use irreplens::analysis::{Learnt, LearntGroup, identify, identify_weights, interpret};
use irreplens::checkpoint::{GroupKind, ModelKind, Run, Tensor, Tensors, write_safetensors};
use irreplens::group::{Cyclic, Dihedral, Elem, Group, GroupExt};
use irreplens::model::{FromFn, Hooks, Interpretable, Site};
use irreplens::task::Task;
use ndarray::{Array2, Axis};
use std::path::Path;

/// What is found where the largest logit at (x, y) is at a given product.
fn of_products(n: usize, product: impl Fn(usize, usize) -> usize + Send + Sync) -> LearntGroup {
    let logit = |(x, y): (Elem, Elem), z: usize| f32::from(u8::from(product(x.index(), y.index()) == z));
    let model = FromFn::new(n, vec![Site::new("logits", n)], "logits", |pairs| {
        vec![Array2::from_shape_fn((pairs.len(), n), |(i, z)| logit(pairs[i], z))]
    });
    identify(&model.unwrap()).unwrap()
}

/// A published run whose weights lie alone in a folder of their own: identified, on its group.
fn alone(run: &Path) -> (Run, LearntGroup) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(run.join("model.pt"), folder.path().join("model.pt")).unwrap();
    let (run, found) = identify_weights(folder.path()).unwrap();
    let group = found.group.clone().expect("a group");
    (run.on_group(group, found.identification.as_ref()).unwrap(), found)
}

#[test]
fn published_models_say_their_groups() {
    let test = "published_models_say_their_groups";
    let Some(root) = data::folder(test) else { return };
    let mut runs = data::folders_with("cfg.json", test).unwrap();
    runs.extend(data::transformers("cfg.json", test).unwrap());
    assert!(runs.len() >= 15, "{runs:?}");
    for folder in runs {
        let with_settings = Run::open(&folder).unwrap();
        let (kind, n) = (with_settings.config.group.clone(), with_settings.config.group_parameter);
        let order = match kind {
            GroupKind::SymmetricGroup => Some(root.join(format!("orders/S{n}.json"))),
            GroupKind::AlternatingGroup => Some(root.join(format!("orders/A{n}.json"))),
            _ => None,
        };
        let (group, _) = with_settings.group_in_order(order.as_deref()).unwrap();
        let (run, found) = alone(&folder);
        let name = folder.display();
        let whole = with_settings.model().unwrap().evaluate(&Task::new(&group), &Hooks::none()).unwrap();
        assert_eq!(found.learnt == Learnt::Group, whole.accuracy == 1.0, "{name}: {found}");
        let changed = ((1.0 - whole.accuracy) * (group.order() * group.order()) as f64).round();
        assert_eq!(found.changed.map(|changed| changed as f64), Some(changed), "{name}");
        // The very table, element by element: whatever is analysed with it comes out as with the settings.
        assert_eq!(run.group().unwrap().fingerprint(), group.fingerprint(), "{name}: {found}");
        let again = run.model().unwrap().evaluate(&found.task().unwrap(), &Hooks::none()).unwrap();
        assert_eq!(again, whole, "{name}");
        let label = found.identification.as_ref().unwrap().label().to_string();
        let expected = match kind {
            GroupKind::CyclicGroup => format!("C{n}"),
            GroupKind::DihedralGroup => format!("D{n}"),
            GroupKind::SymmetricGroup => format!("S{n}"),
            _ => format!("A{n}"),
        };
        assert_eq!(label, expected, "{name}");
        assert!(found.is_proven && found.to_string().contains("those of"), "{name}: {found}");
    }
}

#[test]
fn interpretations_agree_without_settings() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data/D53");
    let found = Run::open(&folder).unwrap();
    let weights = found.weights().to_owned();
    let (group, _) = found.group_in_order(None).unwrap();
    let expected = interpret(&found.model().unwrap(), &found.cyclic_basis(&group), &Task::new(&group)).unwrap();
    let (run, learnt) = identify_weights(weights).unwrap();
    let run = run.on_group(learnt.group.clone().unwrap(), learnt.identification.as_ref()).unwrap();
    let (group, _) = run.group_in_order(None).unwrap();
    let got = interpret(&run.model().unwrap(), &*run.basis(&group, None).unwrap(), &Task::new(&group)).unwrap();
    assert_eq!(got.baseline, expected.baseline);
    assert_eq!(got.neurons.clusters(), expected.neurons.clusters());
}

/// The shipped network with its elements in another order, in a file of its own: what is found does not depend on the order, up
/// to an automorphism, which permutes the frequencies.
#[test]
fn elements_in_any_order() {
    let run = Run::open(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data/D53")).unwrap();
    let (group, _) = run.group_in_order(None).unwrap();
    let n = group.order();
    let order: Vec<usize> = (0..n).map(|x| (x * 37 + 11) % n).collect();
    let relabelled = |name: &String, tensor: &Tensor| {
        let Tensor::F32(values) = tensor else { panic!("{name}") };
        let axis = if values.shape()[0] == n { Some(Axis(0)) } else { (values.shape()[1] == n).then_some(Axis(1)) };
        let values = axis.map_or_else(|| values.clone(), |axis| values.select(axis, &order));
        (name.clone(), Tensor::F32(values))
    };
    let tensors: Tensors = run.tensors.iter().map(|(name, tensor)| relabelled(name, tensor)).collect();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.safetensors");
    write_safetensors(&path, &tensors, &Default::default()).unwrap();

    let (other, learnt) = identify_weights(&path).unwrap();
    let identification = learnt.identification.as_ref().unwrap();
    assert_eq!((learnt.learnt, identification.label().to_string().as_str()), (Learnt::Group, "D53"));
    let other = other.on_group(learnt.group.clone().unwrap(), Some(identification)).unwrap();
    let (other_group, _) = other.group_in_order(None).unwrap();
    for x in 0..n {
        for y in 0..n {
            let product = other_group.compose(Elem::new(x), Elem::new(y)).index();
            assert_eq!(order[product], group.compose(Elem::new(order[x]), Elem::new(order[y])).index());
        }
    }
    let of = |run: &Run, group: &dyn Group| {
        interpret(&run.model().unwrap(), &*run.basis(group, None).unwrap(), &Task::new(group)).unwrap()
    };
    let (expected, got) = (of(&run, &*group), of(&other, &*other_group));
    assert!((got.baseline.loss / expected.baseline.loss - 1.0).abs() < 1e-4);
    let sizes = |found: &irreplens::analysis::Interpretation| {
        let mut sizes: Vec<usize> = found.neurons.clusters().values().map(Vec::len).collect();
        sizes.sort_unstable();
        sizes
    };
    assert_eq!(sizes(&got), sizes(&expected));
    // The family's names of irreps, and its characters up to that automorphism.
    let irreps = [(&run, &group), (&other, &other_group)].map(|(run, group)| {
        let mut found = run.irreps(group, None).unwrap();
        found.sort_by(|a, b| a.label.cmp(&b.label));
        found
    });
    assert!(irreps[0].iter().zip(&irreps[1]).all(|(a, b)| (&a.label, a.dim, a.kind) == (&b.label, b.dim, b.kind)));
}

#[test]
fn untrained_networks_have_learnt_nothing() {
    for seed in 0..3 {
        let nets: [Box<dyn Interpretable>; 5] = [
            Box::new(models::one_layer(53, 16, 24, false, seed)),
            Box::new(models::summed(40, 24, seed)),
            Box::new(models::two_layer(30, 8, 24, seed)),
            Box::new(models::bilinear(60, 24, seed)),
            Box::new(models::transformer(30, seed)),
        ];
        for net in nets {
            let found = identify(&net).unwrap();
            assert_eq!(found.learnt, Learnt::Nothing, "{found}");
            assert!(found.repeated > 0 && found.group.is_none() && found.task().is_none());
            assert!(found.to_string().contains("untrained"), "{found}");
        }
    }
}

#[test]
fn half_a_group_is_told_apart_from_a_whole_one() {
    let group = Dihedral::new(30).unwrap();
    let right = |x: usize, y: usize| (x * 37 + y * 101 + x * y * 13) % 100 < 55;
    let found = of_products(60, |x, y| match right(x, y) {
        true => group.compose(Elem::new(x), Elem::new(y)).index(),
        false => (x * x * 7 + y * 31 + 11 * x * y) % 60,
    });
    assert_eq!(found.learnt, Learnt::NearGroup, "{found}");
    assert_eq!(found.group.as_ref().unwrap().fingerprint(), group.fingerprint());
    assert!(!found.is_proven && found.changed.unwrap() > 1000);
}

/// One run, stopped ever later: nothing, then a group with so many pairs wrong, and the group once none is.
#[cfg(feature = "train")]
#[test]
fn a_network_trained_half_way() {
    use irreplens::model::Architecture;
    use irreplens::task::Split;
    use irreplens::train::{TrainConfig, Trainer};
    let group = Cyclic::new(23).unwrap();
    let task = Task::new(&group);
    let mut stages = Vec::new();
    for epochs in [0, 100, 200, 800, 3200, 9600] {
        let split = Split::random(23, 0.9, 1).unwrap();
        let config = TrainConfig { epochs, lr: 3e-3, seed: 2, ..TrainConfig::default() };
        let mut trainer = Trainer::new(&group, Architecture::one_layer(32, 32), split, config).unwrap();
        trainer.run().unwrap();
        let net = trainer.network();
        let right = net.evaluate(&task, &Hooks::none()).unwrap().accuracy;
        let wrong = ((1.0 - right) * 529.0).round() as usize;
        let found = identify(net).unwrap();
        match found.learnt {
            Learnt::Nothing => assert!(right < 0.6 && found.group.is_none(), "{epochs} epochs, {right}: {found}"),
            Learnt::NearGroup | Learnt::Group => {
                assert_eq!(found.learnt == Learnt::Group, wrong == 0, "{epochs} epochs: {found}");
                assert_eq!(found.changed, Some(wrong), "{epochs} epochs: {found}");
                assert_eq!(found.group.as_ref().unwrap().fingerprint(), group.fingerprint(), "{epochs} epochs");
            }
            other => panic!("{epochs} epochs, {right}: {other:?}, {found}"),
        }
        stages.push((found.learnt, right));
    }
    let near = stages.iter().filter(|stage| stage.0 == Learnt::NearGroup).count();
    assert!(stages[0].0 == Learnt::Nothing && near > 0, "{stages:?}");
}

#[test]
fn latin_squares_that_are_no_group() {
    // Differences: isotopic to the group, whose own products they are nowhere near.
    let found = of_products(31, |x, y| (x + 31 - y) % 31);
    assert_eq!((found.learnt, found.changed, found.repeated), (Learnt::Isotope, Some(0), 0), "{found}");
    assert!(found.group.unwrap().element_orders().contains(&31));

    // One intercalate of C12 turned: four cells from a group.
    let found = of_products(12, |x, y| (x + y + if x % 6 == 0 && y % 6 == 0 { 6 } else { 0 }) % 12);
    assert_eq!((found.learnt, found.changed, found.is_proven), (Learnt::NearGroup, Some(4), true), "{found}");
    assert_eq!(found.group.unwrap().fingerprint(), Cyclic::new(12).unwrap().fingerprint());

    // The quasigroup of a cyclic Steiner triple system: x y is the third point of the triple of x and y.
    let triples = [[0, 1, 4], [0, 2, 7]];
    let third = |x: usize, y: usize| {
        let with = |t: &[usize; 3], shift: usize| t.map(|p| (p + shift) % 13);
        let all = triples.iter().flat_map(|t| (0..13).map(move |shift| with(t, shift)));
        let mut with_both = all.filter(|t| t.contains(&x) && t.contains(&y));
        if x == y { x } else { with_both.next().unwrap().into_iter().find(|&z| z != x && z != y).unwrap() }
    };
    let found = of_products(13, third);
    assert_eq!((found.learnt, found.repeated), (Learnt::LatinSquare, 0), "{found}");
    assert!(found.broken.is_some());
}

#[test]
fn weights_that_are_no_network_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let refused = |tensors: &[(&str, [usize; 2])]| {
        let zeros = |shape: [usize; 2]| Tensor::F32(Array2::zeros(shape).into_dyn());
        let tensors: Tensors = tensors.iter().map(|&(name, shape)| (name.to_owned(), zeros(shape))).collect();
        write_safetensors(&path, &tensors, &Default::default()).unwrap();
        identify_weights(&path).unwrap_err().to_string()
    };
    let tables = [("W_E_a", [6, 4]), ("W_E_b", [6, 4])];
    let with = |more: &[(&'static str, [usize; 2])]| refused(&[&tables, more].concat());
    assert!(with(&[("W_U", [5, 6])]).contains("no W between them"), "{}", with(&[("W_U", [5, 6])]));
    assert!(with(&[("W", [7, 5]), ("W_U", [5, 6])]).contains("W with 7 rows"));
    assert!(refused(&[("weight", [3, 3])]).contains("tensors `weight`"), "{}", refused(&[("weight", [3, 3])]));
    let transformer = [("embed.W_E", [7, 4]), ("unembed.W_U", [4, 7]), ("blocks.0.attn.W_Q", [1, 4])];
    assert!(refused(&transformer).contains("may be no elements"), "{}", refused(&transformer));

    // Added or multiplied: only a run says which, and zeros do not.
    let zeros = |shape: [usize; 2]| Tensor::F32(Array2::zeros(shape).into_dyn());
    let tensors = [("W_x", [6, 4]), ("W_y", [6, 4]), ("W_U", [4, 6])];
    let tensors: Tensors = tensors.iter().map(|&(name, shape)| (name.to_owned(), zeros(shape))).collect();
    write_safetensors(&path, &tensors, &Default::default()).unwrap();
    assert_eq!(identify_weights(&path).unwrap().1.learnt, Learnt::Nothing);
    let several = Run::open(&path).unwrap_err();
    assert!(matches!(several, Error::Format { .. }) && several.to_string().contains("BilinearNet"), "{several}");
    let candidates = Run::candidates(&path).unwrap();
    assert!(candidates.len() == 3 && candidates[0].config.model.is(ModelKind::SummedMlp));
}
