//! The models of the crate against the laws, and their forward passes against formulas written out.

use irreplens::group::{Cyclic, Elem};
use irreplens::model::{
    Evaluation, ForwardPass, FromFn, Hook, Hooks, Interpretable, Network, Precomputed, Site, Values, cross_entropy,
};
use irreplens::task::{Pair, Task};
use irreplens::{Error, laws, model_laws};
use ndarray::{Array1, Array2, array};
use proptest::prelude::{any, prop_assert_eq, proptest};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::sync::Arc;

/// Weights uniform in [-1, 1).
struct Draw(ChaCha8Rng);

impl Draw {
    fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }
    fn number(&mut self) -> f32 {
        (self.0.next_u32() >> 8) as f32 / (1 << 23) as f32 - 1.0
    }
    fn matrix(&mut self, rows: usize, columns: usize) -> Array2<f32> {
        Array2::from_shape_simple_fn((rows, columns), || self.number())
    }
}

fn one_layer(n: usize, e: usize, d: usize, bias: bool, seed: u64) -> Network {
    let mut draw = Draw::new(seed);
    let b = bias.then(|| draw.matrix(1, d).row(0).to_owned());
    Network::one_layer(draw.matrix(n, e), draw.matrix(n, e), draw.matrix(2 * e, d), b, draw.matrix(d, n)).unwrap()
}

fn summed(n: usize, d: usize, seed: u64) -> Network {
    let mut draw = Draw::new(seed);
    Network::summed(draw.matrix(n, d), draw.matrix(n, d), draw.matrix(d, n)).unwrap()
}

fn two_layer(n: usize, e: usize, d: usize, seed: u64) -> Network {
    let mut draw = Draw::new(seed);
    Network::two_layer(draw.matrix(n, e), draw.matrix(n, e), draw.matrix(e, d), draw.matrix(d, n)).unwrap()
}

fn bilinear(n: usize, d: usize, seed: u64) -> Network {
    let mut draw = Draw::new(seed);
    Network::bilinear(draw.matrix(n, d), draw.matrix(n, d), draw.matrix(d, n)).unwrap()
}

/// A random output bias.
fn output_bias(n: usize) -> Array1<f32> {
    Draw::new(24).matrix(1, n).row(0).to_owned()
}

/// A recording of a one-layer net with an output bias, with or without its unembedding.
fn recorded(n: usize, with_unembedding: bool) -> Precomputed {
    let net = one_layer(n, 3, 6, true, 11).with_output_bias(output_bias(n)).unwrap();
    let recorded = Precomputed::record(&net, &["hidden_pre", "hidden", "logits"], "hidden").unwrap();
    let (left, right) = net.embeddings().unwrap();
    let recorded = recorded.with_embeddings(left.to_owned(), right.to_owned()).unwrap();
    if !with_unembedding {
        return recorded;
    }
    recorded.with_unembedding(net.readout().unembedding().unwrap().to_owned()).unwrap()
}

/// logits = 9 cos(2 pi (x + y - z) / n), and a site before it.
fn perfect(n: usize) -> FromFn<impl Fn(&[Pair]) -> Vec<Array2<f32>> + Send + Sync> {
    let angle = std::f32::consts::TAU / n as f32;
    FromFn::new(n, vec![Site::new("sum", 2), Site::new("logits", n)], "sum", move |pairs| {
        let sum = |i: usize| (pairs[i].0.index() + pairs[i].1.index()) as f32;
        let waves = Array2::from_shape_fn((pairs.len(), 2), |(i, k)| {
            if k == 0 { (angle * sum(i)).cos() } else { (angle * sum(i)).sin() }
        });
        let logits = Array2::from_shape_fn((pairs.len(), n), |(i, z)| 9.0 * (angle * (sum(i) - z as f32)).cos());
        vec![waves, logits]
    })
    .unwrap()
}

macro_rules! at_orders {
    ($($module:ident $n:literal),*) => {$(
        mod $module {
            use super::*;
            model_laws!(one_layer_narrow, one_layer($n, 1, 1, false, 1));
            model_laws!(one_layer_plain, one_layer($n, 3, 20, false, 2));
            model_laws!(one_layer_bias, one_layer($n, 4, 7, true, 3));
            model_laws!(summed_narrow, summed($n, 1, 4));
            model_laws!(summed_wide, summed($n, 18, 5));
            model_laws!(two_layer_narrow, two_layer($n, 1, 1, 6));
            model_laws!(two_layer_wide, two_layer($n, 5, 17, 7));
            model_laws!(bilinear_narrow, bilinear($n, 1, 8));
            model_laws!(bilinear_wide, bilinear($n, 9, 9));
            model_laws!(one_layer_output_bias, one_layer($n, 4, 7, false, 3).with_output_bias(output_bias($n)).unwrap());
            model_laws!(one_layer_both, one_layer($n, 4, 7, true, 3).with_output_bias(output_bias($n)).unwrap());
            model_laws!(summed_output_bias, summed($n, 18, 5).with_output_bias(output_bias($n)).unwrap());
            model_laws!(two_layer_output_bias, two_layer($n, 5, 17, 7).with_output_bias(output_bias($n)).unwrap());
            model_laws!(bilinear_output_bias, bilinear($n, 9, 9).with_output_bias(output_bias($n)).unwrap());
            model_laws!(precomputed, recorded($n, false));
            model_laws!(precomputed_with_unembedding, recorded($n, true));
            model_laws!(from_fn, perfect($n));
        }
    )*};
}
at_orders!(order_1 1, order_2 2, order_5 5, order_12 12);

model_laws!(many_pairs, one_layer(53, 4, 30, true, 10));
model_laws!(object, Box::new(one_layer(5, 3, 4, true, 12)) as Box<dyn Interpretable>);
model_laws!(shared, Arc::new(bilinear(5, 4, 13)));
model_laws!(reference, &summed(5, 4, 14));

proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(24))]
    #[test]
    fn any_shape(n in 1..8_usize, e in 1..5_usize, d in 1..9_usize, bias in any::<bool>(), seed in any::<u64>()) {
        prop_assert_eq!(laws::model::check(&one_layer(n, e, d, bias, seed)), Ok(()));
        prop_assert_eq!(laws::model::check(&summed(n, d, seed)), Ok(()));
        prop_assert_eq!(laws::model::check(&two_layer(n, e, d, seed)), Ok(()));
        prop_assert_eq!(laws::model::check(&bilinear(n, d, seed)), Ok(()));
        prop_assert_eq!(laws::model::check(&bilinear(n, d, seed).with_output_bias(output_bias(n)).unwrap()), Ok(()));
    }
}

// ---- formulas -------------------------------------------------------------------------------------

/// `activations weights` in f64.
fn times(activations: &[f64], weights: &Array2<f32>) -> Vec<f64> {
    (0..weights.ncols())
        .map(|k| activations.iter().enumerate().map(|(i, a)| a * f64::from(weights[[i, k]])).sum())
        .collect()
}

fn row(embedding: &Array2<f32>, x: usize) -> Vec<f64> {
    embedding.row(x).iter().map(|&v| f64::from(v)).collect()
}

fn relu(values: Vec<f64>) -> Vec<f64> {
    values.into_iter().map(|v| v.max(0.0)).collect()
}

fn all_pairs(n: usize) -> Vec<Pair> {
    (0..n * n).map(|i| (Elem::new(i / n), Elem::new(i % n))).collect()
}

fn close(got: f32, want: f64) -> bool {
    (f64::from(got) - want).abs() < 1e-4
}

/// The notebook's formula, the stack never split, on embeddings changed by `left` and `right` first.
fn check_one_layer(
    hooks: &Hooks,
    left: impl Fn(usize, usize, Vec<f64>) -> Vec<f64>,
    stack: impl Fn(usize, usize, Vec<f64>) -> Vec<f64>,
) {
    let (n, e, d) = (5, 3, 7);
    let mut draw = Draw::new(20);
    let (a, b, w, bias, u) =
        (draw.matrix(n, e), draw.matrix(n, e), draw.matrix(2 * e, d), draw.matrix(1, d), draw.matrix(d, n));
    let net = Network::one_layer(a.clone(), b.clone(), w.clone(), Some(bias.row(0).to_owned()), u.clone()).unwrap();
    let pairs = all_pairs(n);
    let cache = net.run_with_hooks(&pairs, hooks, &["hidden_pre", "logits"]).unwrap();
    for (i, (x, y)) in pairs.iter().map(|p| (p.0.index(), p.1.index())).enumerate() {
        let stacked = [left(x, y, row(&a, x)), row(&b, y)].concat();
        let pre = times(&stack(x, y, stacked), &w);
        for (&got, &want) in cache.get("hidden_pre").unwrap().row(i).iter().zip(&pre) {
            assert!(close(got, want), "hidden_pre at {x}, {y}: {got} against {want}");
        }
        let hidden: Vec<f64> = relu(pre).iter().zip(&bias).map(|(h, b)| h + f64::from(*b)).collect();
        for (&got, want) in cache.get("logits").unwrap().row(i).iter().zip(times(&hidden, &u)) {
            assert!(close(got, want), "logits at {x}, {y}: {got} against {want}");
        }
    }
}

fn same(_: usize, _: usize, values: Vec<f64>) -> Vec<f64> {
    values
}

#[test]
fn one_layer_is_its_formula() {
    check_one_layer(&Hooks::none(), same, same);
}

#[test]
fn hooks_on_embeddings_follow_the_formula() {
    let zero = |_, _, v: Vec<f64>| vec![0.0; v.len()];
    check_one_layer(&Hooks::none().with(Hook::zero("embed_left")), zero, same);
    check_one_layer(&Hooks::none().with(Hook::zero("embed_stack")), same, zero);
    let add = Hooks::none().with(Hook::add("embed_left", Values::PerChannel(array![1.0, -2.0, 0.5])));
    check_one_layer(&add, |_, _, v| vec![v[0] + 1.0, v[1] - 2.0, v[2] + 0.5], same);
    // One channel, and the right half of the stack seen from the stack.
    let hooks = Hooks::none().with(Hook::scale("embed_left", 3.0).on_channels(vec![1]));
    let hooks = hooks.with(Hook::scale("embed_right", -1.0)).with(Hook::zero("embed_stack").on_channels(vec![5, 0]));
    check_one_layer(&hooks, |_, _, v| vec![v[0], 3.0 * v[1], v[2]], |_, _, v| vec![0.0, v[1], v[2], -v[3], -v[4], 0.0]);
    // The same two in the other order are another function; hooks apply in order.
    let first = Hooks::none().with(Hook::zero("embed_left")).with(Hook::add("embed_left", ones(3)));
    check_one_layer(&first, |_, _, _| vec![1.0; 3], same);
    let last = Hooks::none().with(Hook::add("embed_left", ones(3))).with(Hook::zero("embed_left"));
    check_one_layer(&last, zero, same);
}

fn ones(width: usize) -> Values {
    Values::PerChannel(Array1::ones(width))
}

#[test]
fn hooks_on_pairs_follow_the_formula() {
    let n = 5;
    let mask: Arc<[bool]> = (0..n * n).map(|i| i / n < i % n).collect();
    let upper = |x: usize, y: usize| x < y;
    let table = Arc::new(Draw::new(21).matrix(n * n, 3));
    let looked_up = table.clone();
    let of = move |x: usize, y: usize| row(&looked_up, x * n + y);
    let replace = Hook::replace("embed_left", Values::PerPair(table.clone()));
    check_one_layer(&Hooks::none().with(replace.clone()), |x, y, _| of(x, y), same);
    check_one_layer(
        &Hooks::none().with(replace.on_pairs(mask.clone())),
        |x, y, v| if upper(x, y) { of(x, y) } else { v },
        same,
    );
    let add = Hook::add("embed_stack", Values::PerPair(table)).on_channels(vec![4, 0, 2]).on_pairs(mask);
    check_one_layer(&Hooks::none().with(add), same, |x, y, mut v| {
        if upper(x, y) {
            let t = of(x, y);
            (v[4], v[0], v[2]) = (v[4] + t[0], v[0] + t[1], v[2] + t[2]);
        }
        v
    });
}

#[test]
fn projections_follow_the_formula() {
    let h = 0.5f32.sqrt();
    let rows = array![[h, h, 0.0]];
    let onto = Hooks::none().with(Hook::project_onto("embed_left", rows.clone()).unwrap());
    check_one_layer(&onto, |_, _, v| vec![(v[0] + v[1]) / 2.0, (v[0] + v[1]) / 2.0, 0.0], same);
    let out = Hooks::none().with(Hook::project_out("embed_left", rows).unwrap());
    check_one_layer(&out, |_, _, v| vec![(v[0] - v[1]) / 2.0, (v[1] - v[0]) / 2.0, v[2]], same);
}

#[test]
fn the_other_models_are_their_formulas() {
    let (n, e, d) = (5, 3, 7);
    let mut draw = Draw::new(22);
    let (a, b, w, u) = (draw.matrix(n, e), draw.matrix(n, e), draw.matrix(e, d), draw.matrix(d, n));
    let v = draw.matrix(e, n);
    type Formula<'a> = &'a dyn Fn(&[f64], &[f64]) -> Vec<f64>;
    let models: [(Box<dyn Interpretable>, Formula<'_>); 3] = [
        (Box::new(Network::summed(a.clone(), b.clone(), v.clone()).unwrap()), &|l, r| {
            times(&relu(l.iter().zip(r).map(|(l, r)| l + r).collect()), &v)
        }),
        (Box::new(Network::two_layer(a.clone(), b.clone(), w.clone(), u.clone()).unwrap()), &|l, r| {
            times(&relu(times(&relu(l.iter().zip(r).map(|(l, r)| l + r).collect()), &w)), &u)
        }),
        (Box::new(Network::bilinear(a.clone(), b.clone(), v.clone()).unwrap()), &|l, r| {
            times(&l.iter().zip(r).map(|(l, r)| l * r).collect::<Vec<_>>(), &v)
        }),
    ];
    let pairs = all_pairs(n);
    for (model, formula) in models {
        // With the left embedding scaled too.
        for factor in [1.0, -2.0] {
            let hooks = if factor == 1.0 { Hooks::none() } else { Hooks::none().with(Hook::scale("embed_left", -2.0)) };
            let cache = model.run_with_hooks(&pairs, &hooks, &["logits"]).unwrap();
            for (i, (x, y)) in pairs.iter().map(|p| (p.0.index(), p.1.index())).enumerate() {
                let left: Vec<f64> = row(&a, x).iter().map(|v| factor * v).collect();
                for (&got, want) in cache.get("logits").unwrap().row(i).iter().zip(formula(&left, &row(&b, y))) {
                    assert!(close(got, want), "{got} against {want}");
                }
            }
        }
    }
}

/// Every pair's logits are those without the bias plus the bias; the readout has it beside the unembedding as it was.
#[test]
fn an_output_bias_is_added_to_every_pairs_logits() {
    let (n, bias) = (5, output_bias(5));
    type Pairs = [(Box<dyn Interpretable>, Box<dyn Interpretable>); 4];
    let models: Pairs = [
        (
            Box::new(one_layer(n, 3, 7, true, 1)),
            Box::new(one_layer(n, 3, 7, true, 1).with_output_bias(bias.clone()).unwrap()),
        ),
        (Box::new(summed(n, 7, 1)), Box::new(summed(n, 7, 1).with_output_bias(bias.clone()).unwrap())),
        (Box::new(two_layer(n, 3, 7, 1)), Box::new(two_layer(n, 3, 7, 1).with_output_bias(bias.clone()).unwrap())),
        (Box::new(bilinear(n, 7, 1)), Box::new(bilinear(n, 7, 1).with_output_bias(bias.clone()).unwrap())),
    ];
    for (plain, biased) in &models {
        let want = plain.forward(&all_pairs(n)).unwrap() + &bias;
        let off = (biased.forward(&all_pairs(n)).unwrap() - want).mapv(f32::abs);
        assert!(off.iter().all(|&off| off <= 1e-6), "{off}"); // sums in another order
        assert_eq!(biased.readout().unembedding(), plain.readout().unembedding());
        assert_eq!(biased.readout().bias(), Some(bias.view()));
    }
    let error = summed(n, 7, 1).with_output_bias(Array1::zeros(4)).unwrap_err();
    assert!(matches!(&error, Error::Shape { what, expected, got } if what == "b_U" && expected == &[5] && got == &[4]));
}

#[test]
fn weights_stored_column_major_are_the_same_weights() {
    let mut draw = Draw::new(23);
    let (a, b, w, u) = (draw.matrix(4, 3), draw.matrix(4, 3), draw.matrix(6, 5), draw.matrix(5, 4));
    let turned = |m: &Array2<f32>| m.t().as_standard_layout().into_owned().reversed_axes();
    let plain = Network::one_layer(a.clone(), b.clone(), w.clone(), None, u.clone()).unwrap();
    let other = Network::one_layer(turned(&a), turned(&b), turned(&w), None, turned(&u)).unwrap();
    let (got, want) = (other.forward(&all_pairs(4)).unwrap(), plain.forward(&all_pairs(4)).unwrap());
    assert!(got.iter().zip(&want).all(|(a, b)| (a - b).abs() < 1e-5));
    let net = Network::bilinear(turned(&a), turned(&b), turned(&draw.matrix(3, 4))).unwrap();
    assert_eq!(laws::model::check(&net), Ok(()));
}

// ---- errors ---------------------------------------------------------------------------------------

#[test]
fn rows_that_are_not_orthonormal() {
    let error = |rows| match Hook::project_onto("hidden", rows).unwrap_err() {
        Error::NotOrthonormal { site, rows, got } => (site, rows, got),
        other => panic!("{other}"),
    };
    assert_eq!(error(array![[1.0, 0.0], [1.0, 0.0]]), ("hidden".into(), (0, 1), 1.0));
    assert_eq!(error(array![[1.0, 0.0], [0.0, 2.0]]), ("hidden".into(), (1, 1), 4.0));
    assert!(error(array![[f32::NAN]]).2.is_nan());
    assert!(Hook::project_out("hidden", array![[1.0, 0.5]]).is_err());
    assert!(Hook::project_out("hidden", array![[1.00001, 0.0]]).is_ok());
}

#[test]
fn hooks_that_do_not_fit() {
    let net = summed(3, 4, 1);
    let run = |hook| net.run_with_hooks(&all_pairs(3), &Hooks::none().with(hook), &["logits"]).unwrap_err();
    let shape = |hook| match run(hook) {
        Error::Shape { expected, got, .. } => (expected, got),
        other => panic!("{other}"),
    };
    assert!(matches!(run(Hook::zero("hiden")), Error::UnknownSite { site, .. } if site == "hiden"));
    let beyond = run(Hook::zero("hidden").on_channels(vec![0, 4]));
    assert!(matches!(beyond, Error::UnknownChannel { channel: 4, width: 4, .. }));
    assert_eq!(shape(Hook::add("hidden", ones(5))), (vec![4], vec![5]));
    assert_eq!(shape(Hook::add("hidden", ones(4)).on_channels(vec![1])), (vec![1], vec![4]));
    let table = |rows, columns| Values::PerPair(Arc::new(Array2::zeros((rows, columns))));
    assert_eq!(shape(Hook::replace("hidden", table(3, 4))), (vec![9, 4], vec![3, 4]));
    assert_eq!(shape(Hook::zero("hidden").on_pairs(vec![true; 3].into())), (vec![9], vec![3]));
    assert_eq!(shape(Hook::project_onto("hidden", Array2::eye(3)).unwrap()), (vec![3, 4], vec![3, 3]));
}

#[test]
fn a_forward_pass_checks_what_it_is_given() {
    let net = summed(3, 4, 1);
    let (pairs, hooks) = (all_pairs(3), Hooks::none());
    let unknown = ForwardPass::new(&net, &pairs, &hooks, &["nowhere"]).err().unwrap();
    assert!(matches!(unknown, Error::UnknownSite { site, known } if site == "nowhere" && known.len() == 5));
    let outside = [(Elem::new(0), Elem::new(3))];
    let unknown = ForwardPass::new(&net, &outside, &hooks, &[]).err().unwrap();
    assert!(matches!(unknown, Error::UnknownElement { order: 3, got: 3 }));
    let mut pass = ForwardPass::new(&net, &pairs, &hooks, &["hidden"]).unwrap();
    assert!(pass.touches("hidden") && !pass.touches("logits"));
    assert!(pass.needs("embed_left") && pass.needs("hidden") && !pass.needs("logits"));
    assert!(matches!(pass.visit("hidden", Array2::zeros((9, 5))), Err(Error::Shape { .. })));
    assert!(matches!(pass.visit("hidden", Array2::zeros((8, 4))), Err(Error::Shape { .. })));
    pass.visit("hidden", Array2::ones((9, 4))).unwrap();
    pass.visit("logits", Array2::ones((9, 3))).unwrap();
    let mut cache = pass.finish();
    assert_eq!(cache.sites().collect::<Vec<_>>(), ["hidden"]);
    assert!(matches!(cache.take("logits"), Err(Error::UnknownSite { .. })));
    assert_eq!(cache.take("hidden").unwrap(), Array2::<f32>::ones((9, 4)));
    assert!(cache.get("hidden").is_none());
}

#[test]
fn no_pairs_give_no_rows() {
    let models: [Box<dyn Interpretable>; 6] = [
        Box::new(one_layer(3, 2, 4, true, 1)),
        Box::new(summed(3, 4, 1)),
        Box::new(two_layer(3, 2, 4, 1)),
        Box::new(bilinear(3, 4, 1)),
        Box::new(recorded(3, true)),
        Box::new(perfect(3)),
    ];
    for model in models {
        assert_eq!(model.forward(&[]).unwrap().dim(), (0, 3));
        assert!(matches!(model.readout().logits(Array2::zeros((1, 99)).view()), Err(Error::Shape { .. })));
    }
}

#[test]
fn weights_that_do_not_fit() {
    let zeros = |r, c| Array2::<f32>::zeros((r, c));
    let named = |error: Error| match error {
        Error::Shape { what, .. } => what,
        other => panic!("{other}"),
    };
    let one = |a, w, b, u| named(Network::one_layer(zeros(3, 2), a, w, b, u).unwrap_err());
    assert_eq!(one(zeros(3, 1), zeros(4, 5), None, zeros(5, 3)), "W_E_b");
    assert_eq!(one(zeros(3, 2), zeros(3, 5), None, zeros(5, 3)), "W");
    assert_eq!(one(zeros(3, 2), zeros(4, 5), Some(Array1::zeros(4)), zeros(5, 3)), "b");
    assert_eq!(one(zeros(3, 2), zeros(4, 5), None, zeros(5, 4)), "W_U");
    assert_eq!(named(Network::summed(zeros(3, 2), zeros(4, 2), zeros(2, 3)).unwrap_err()), "W_E_b");
    assert_eq!(named(Network::bilinear(zeros(3, 2), zeros(3, 2), zeros(3, 3)).unwrap_err()), "W_U");
    assert_eq!(named(Network::two_layer(zeros(3, 2), zeros(3, 2), zeros(3, 5), zeros(5, 3)).unwrap_err()), "W");
}

#[test]
fn recordings_that_do_not_fit() {
    let site = |name: &str, rows, columns| (name.to_owned(), Array2::<f32>::zeros((rows, columns)));
    assert!(matches!(Precomputed::new(vec![], "hidden"), Err(Error::UnknownSite { .. })));
    assert!(matches!(Precomputed::new(vec![site("hidden", 9, 2)], "hidden"), Err(Error::UnknownSite { .. })));
    let logits = || site("logits", 9, 3);
    assert!(matches!(Precomputed::new(vec![logits()], "hidden"), Err(Error::UnknownSite { .. })));
    assert!(matches!(Precomputed::new(vec![site("hidden", 8, 2), logits()], "hidden"), Err(Error::Shape { .. })));
    let twice = vec![site("hidden", 9, 2), site("hidden", 9, 2), logits()];
    assert!(matches!(Precomputed::new(twice, "hidden"), Err(Error::RepeatedSite { site }) if site == "hidden"));
    let sites = vec![Site::new("logits", 3), Site::new("logits", 3)];
    assert!(matches!(FromFn::new(3, sites, "logits", |_| vec![]).err(), Some(Error::RepeatedSite { .. })));
    let net = recorded(3, false);
    let wrong = net.clone().with_unembedding(Array2::ones((6, 3))).unwrap_err();
    assert!(matches!(wrong, Error::RecordingMismatch { .. }));
    let nan = net.clone().with_unembedding(Array2::from_elem((6, 3), f32::NAN)).unwrap_err();
    assert!(matches!(nan, Error::RecordingMismatch { difference, .. } if difference.is_nan()));
    let unsupported = net.run_with_hooks(&all_pairs(3), &Hooks::none().with(Hook::zero("hidden")), &["logits"]);
    assert!(matches!(unsupported, Err(Error::HookUnsupported { model: "Precomputed", .. })));
}

#[test]
fn what_exceeds_the_budget_is_an_error() {
    let n = 400_000;
    let net = FromFn::new(n, vec![Site::new("h", 1), Site::new("logits", n)], "h", |_| unreachable!()).unwrap();
    for site in ["h", "logits"] {
        let Err(Error::Memory { needed, budget, .. }) = net.neuron_columns(site, 0..1) else { panic!("not refused") };
        assert!(needed == 4 * n * n && budget < needed, "{needed} of {budget}");
    }
    assert!(matches!(Precomputed::record(&net, &["h", "logits"], "h"), Err(Error::Memory { .. })));
    assert!(matches!(net.spectrum("h", &basis(n)), Err(Error::Memory { .. })));
}

fn basis(n: usize) -> irreplens::fourier::CyclicSubgroupBasis {
    irreplens::fourier::CyclicSubgroupBasis::cyclic(&Cyclic::new(n).unwrap())
}

// ---- values ---------------------------------------------------------------------------------------

#[test]
fn columns_beyond_the_width_are_an_error() {
    for (site, width) in [("hidden", 4), ("hidden_pre", 4), ("logits", 3)] {
        let error = summed(3, 4, 1).neuron_columns(site, 1..width + 1).unwrap_err();
        assert!(matches!(error, Error::UnknownChannel { width: w, .. } if w == width));
    }
}

#[test]
fn nan_weights_are_an_error_that_names_the_pair() {
    let mut draw = Draw::new(30);
    let mut left = draw.matrix(3, 4);
    left[[1, 2]] = f32::NAN;
    let (right, unembed) = (draw.matrix(3, 4), draw.matrix(4, 3));
    let task = Task::new(&Cyclic::new(3).unwrap());
    let nets: [Box<dyn Interpretable>; 2] = [
        Box::new(Network::summed(left.clone(), right.clone(), unembed.clone()).unwrap()),
        Box::new(Network::bilinear(left, right, unembed).unwrap()),
    ];
    for net in nets {
        for error in [net.evaluate(&task, &Hooks::none()).unwrap_err(), net.spectrum("hidden", &basis(3)).unwrap_err()]
        {
            let Error::NonFiniteActivation { pair, got, .. } = error else { panic!("{error}") };
            assert!(pair == [1, 0] && got.is_nan());
        }
        let columns = net.neuron_columns("hidden", 2..3).unwrap();
        assert!(columns.indexed_iter().all(|((x, _, _), v)| v.is_nan() == (x == 1)), "{columns}");
    }
}

#[test]
fn evaluations_of_known_logits() {
    let task = Task::new(&Cyclic::new(7).unwrap());
    let evaluation = perfect(7).evaluate(&task, &Hooks::none()).unwrap();
    let angle = |z: usize| 9.0 * (std::f64::consts::TAU * z as f64 / 7.0).cos();
    let want = (0..7).map(|z| (angle(z) - 9.0).exp()).sum::<f64>().ln();
    assert!((evaluation.loss / want - 1.0).abs() < 1e-4);
    assert_eq!(evaluation.accuracy, 1.0);
    // All logits equal: the first element always wins.
    let flat = perfect(7).evaluate(&task, &Hooks::none().with(Hook::zero("logits"))).unwrap();
    assert!((flat.loss - 7f64.ln()).abs() < 1e-6);
    let Evaluation { accuracy, .. } = flat;
    assert!((accuracy - 1.0 / 7.0).abs() < 1e-12);
    let other = Task::new(&Cyclic::new(8).unwrap());
    assert!(matches!(perfect(7).evaluate(&other, &Hooks::none()), Err(Error::Shape { .. })));
}

#[test]
fn cross_entropy_checks_its_targets() {
    let logits = array![[0.0f32, 1.0], [2.0, 0.0]];
    assert!(matches!(cross_entropy(logits.view(), &[0]), Err(Error::Shape { .. })));
    assert!(matches!(cross_entropy(logits.view(), &[0, 2]), Err(Error::UnknownElement { order: 2, got: 2 })));
    let (plain, turned) = (cross_entropy(logits.view(), &[0, 0]), cross_entropy(logits.t(), &[0, 1]));
    assert!((plain.unwrap()[0] - 1f64.exp().ln_1p()).abs() < 1e-6);
    assert!((turned.unwrap()[0] - 2f64.exp().ln_1p()).abs() < 1e-5);
    assert_eq!(cross_entropy(Array2::zeros((0, 3)).view(), &[]).unwrap(), Vec::<f64>::new());
}
