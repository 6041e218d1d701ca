//! The code blocks of `docs/adding-a-group.md`, which `tests/house/pages.rs` holds to this file.

use irreplens::group::{Elem, Group, GroupExt};

struct Dicyclic {
    n: usize,
}

impl Group for Dicyclic {
    fn order(&self) -> usize {
        4 * self.n
    }
    fn compose(&self, x: Elem, y: Elem) -> Elem {
        let m = 2 * self.n; // the order of a
        let ((x, i), (y, j)) = ((x.index() / m, x.index() % m), (y.index() / m, y.index() % m));
        let exponent = if x == 0 { i + j } else { i + m - j } + if x + y == 2 { self.n } else { 0 };
        Elem::new(exponent % m + if x == y { 0 } else { m })
    }
    // The rest is optional: the default of the identity searches for it.
    fn identity(&self) -> Elem {
        Elem::new(0)
    }
    fn name(&self) -> String {
        format!("Dic{}", self.n)
    }
}

irreplens::group_laws!(dicyclic_3, Dicyclic { n: 3 });

type Outcome = Result<(), Box<dyn std::error::Error>>;

#[test]
fn it_is_a_group() -> Outcome {
    // Every law; an error is the first violation, with its witness.
    irreplens::laws::group::check(&Dicyclic { n: 3 })?;

    // Everything derived.
    let quaternions = Dicyclic { n: 2 };
    assert_eq!(quaternions.element_orders(), [1, 4, 2, 4, 4, 4, 4, 4]);
    assert_eq!(quaternions.conjugacy_classes().len(), 5);
    assert_eq!(quaternions.center().len(), 2);
    Ok(())
}

#[test]
fn it_is_analysed() -> Outcome {
    use irreplens::analysis::logit_directions;
    use irreplens::fourier::{CyclicSubgroupBasis, FourierBasis};
    use irreplens::model::{FromFn, Hooks, Interpretable, Site};
    use irreplens::task::Task;
    use ndarray::{Array2, s};

    let group = Dicyclic { n: 3 };
    let basis = CyclicSubgroupBasis::new(&group, Elem::new(1)); // h = a
    assert_eq!((basis.sectors().len(), basis.rows()), (2, 6));
    irreplens::laws::fourier::check_on(&basis, &group)?;

    // A solution of the task: in the sector of x y, logit z is 9 cos(2 pi (z - x y) / 6).
    let model = FromFn::new(12, vec![Site::new("logits", 12)], "logits", |pairs| {
        vec![Array2::from_shape_fn((pairs.len(), 12), |(i, z)| {
            let product = Dicyclic { n: 3 }.compose(pairs[i].0, pairs[i].1).index();
            let angle = std::f32::consts::TAU * (z + 12 - product) as f32 / 6.0;
            if z / 6 == product / 6 { 9.0 * angle.cos() } else { 0.0 }
        })]
    })?;
    let task = Task::new(&group);
    assert_eq!(model.evaluate(&task, &Hooks::none())?.accuracy, 1.0);

    let found = logit_directions(&model, &basis, &task, &[basis.block_id(1)?])?; // along frequency 1
    let share = found.product_share.unwrap(); // (block, sector of x, sector of y, which of x + y and x - y)
    assert!(share.slice(s![0, 0, .., 0]).iter().all(|&s| s > Some(0.9999))); // a power of a on the left: x + y
    assert!(share.slice(s![0, 1, .., 1]).iter().all(|&s| s > Some(0.9999))); // a^i x on the left: x - y
    Ok(())
}

#[test]
fn it_has_irreps() -> Outcome {
    use irreplens::analysis::representation;
    use irreplens::fourier::IrrepBasis;
    use irreplens::irrep::{Kind, irreps};
    use irreplens::model::{FromFn, Site};
    use irreplens::task::{Split, Task};
    use ndarray::Array2;

    let group = Dicyclic { n: 3 };
    let found = irreps(&group)?;
    let labels: Vec<&str> = found.iter().map(|irrep| irrep.label.as_str()).collect();
    assert_eq!(labels, ["trivial", "1b", "2a", "2b", "4a"]); // dimension and a letter
    assert_eq!((found[2].kind, found[4].kind), (Kind::Complex, Kind::Quaternionic)); // the others are real
    // Matrices too: homomorphism, unitarity, Schur orthogonality, sum of squared dimensions, real form.
    let matrices = found[4].matrices(&group, 0)?; // 0: the seed
    assert_eq!(matrices.dim(), 4);
    irreplens::laws::irrep::check(&group, 0)?;

    // A basis for every analysis of the crate, with one block for each irrep.
    let basis = IrrepBasis::new(&group)?;
    irreplens::laws::fourier::check_on(&basis, &group)?;

    // A model that writes two of the characters: logit z is 3 chi(x y z^-1) for the irreps 2b and 4a.
    let character = 3.0 * (&found[3].character + &found[4].character);
    let model = FromFn::new(12, vec![Site::new("logits", 12)], "logits", move |pairs| {
        let group = Dicyclic { n: 3 };
        let logit = |x, y, z| character[group.right_divide(group.compose(x, y), Elem::new(z)).index()] as f32;
        vec![Array2::from_shape_fn((pairs.len(), 12), |(i, z)| logit(pairs[i].0, pairs[i].1, z))]
    })?;
    let measures = representation(&model, &group, &basis, &Task::new(&group), &Split::random(12, 0.4, 1)?)?;
    println!("{measures}"); // shares, similarities, excluded and restricted losses of every irrep
    assert_eq!(measures.key, [3, 4]);
    assert!((measures.logit_fve.unwrap() - 1.0).abs() < 1e-5); // the characters explain all of it
    Ok(())
}
