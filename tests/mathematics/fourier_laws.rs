//! The bases of the crate against the laws, and their transforms against sums written out.

use crate::support;
use irreplens::fourier::{
    Block, CyclicSubgroupBasis, Direction, FourierBasis, forward, forward_2d, inverse, inverse_2d, tile_2d, untile_2d,
};
use irreplens::group::{CayleyTable, Composition, Cyclic, Dihedral, Elem, Group, GroupExt, PermutationGroup};
use irreplens::{Error, fourier_laws, laws};
use ndarray::{Array2, Array3, Array5, ArrayView2, ArrayViewMut2};
use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
use std::f64::consts::TAU;

fn cyclic(n: usize) -> Cyclic {
    Cyclic::new(n).unwrap()
}

fn dihedral(n: usize) -> Dihedral {
    Dihedral::new(n).unwrap()
}

/// C_n, by matrix product or FFT.
fn along(n: usize, fft: bool) -> CyclicSubgroupBasis {
    CyclicSubgroupBasis::cyclic(&cyclic(n)).with_fft(fft)
}

/// D_n, by matrix product or FFT.
fn beside(n: usize, fft: bool) -> CyclicSubgroupBasis {
    CyclicSubgroupBasis::dihedral(&dihedral(n)).with_fft(fft)
}

/// D_5 with its rows shuffled: no sector is consecutive, and the identity is row 7.
fn shuffled() -> CayleyTable {
    dihedral(5).cayley_table().relabelled(&[7, 3, 0, 9, 4, 1, 8, 2, 6, 5]).unwrap()
}

fn s4() -> PermutationGroup {
    let (cycle, swap) = (vec![1, 2, 3, 0], vec![1, 0, 2, 3]);
    PermutationGroup::from_generators(&[cycle, swap], Composition::ApplyLeftFirst, 24).unwrap()
}

/// The quaternions on themselves: 1, i, -1, -i, j, k, -j, -k as points 0 to 7.
fn q8() -> PermutationGroup {
    let (i, j) = (vec![1, 2, 3, 0, 7, 4, 5, 6], vec![4, 5, 6, 7, 2, 3, 0, 1]);
    PermutationGroup::from_generators(&[i, j], Composition::ApplyLeftFirst, 8).unwrap()
}

/// Along an element of the largest order.
fn longest(group: &impl Group) -> CyclicSubgroupBasis {
    let orders = group.element_orders();
    let h = group.elements().max_by_key(|h| orders[h.index()]).unwrap();
    CyclicSubgroupBasis::new(group, h)
}

/// The required methods alone: the transform by its definition.
pub struct Definition<B>(pub B);

impl<B: FourierBasis> FourierBasis for Definition<B> {
    fn sectors(&self) -> &[Vec<Elem>] {
        self.0.sectors()
    }
    fn blocks(&self) -> &[Block] {
        self.0.blocks()
    }
    fn row_name(&self, row: usize) -> String {
        self.0.row_name(row)
    }
    fn value(&self, row: usize, position: usize) -> f64 {
        self.0.value(row, position)
    }
    fn generator(&self) -> Option<Elem> {
        self.0.generator()
    }
}

macro_rules! both_paths {
    ($($n:literal $cyclic:ident $dihedral:ident),* $(,)?) => {$(
        mod $cyclic {
            use super::*;
            fourier_laws!(dense, along($n, false), cyclic($n));
            fourier_laws!(fft, along($n, true), cyclic($n));
        }
        mod $dihedral {
            use super::*;
            fourier_laws!(dense, beside($n, false), dihedral($n));
            fourier_laws!(fft, beside($n, true), dihedral($n));
        }
    )*};
}
both_paths!(1 c1 d1, 2 c2 d2, 3 c3 d3, 4 c4 d4, 5 c5 d5, 6 c6 d6, 7 c7 d7, 8 c8 d8, 53 c53 d53);

fourier_laws!(c97_fft, along(97, true), cyclic(97));
fourier_laws!(c128_dense, along(128, false), cyclic(128));
fourier_laws!(c129_dense, along(129, false), cyclic(129));
fourier_laws!(c300_chosen, CyclicSubgroupBasis::cyclic(&cyclic(300)), cyclic(300));
fourier_laws!(definition_c1, Definition(along(1, true)), cyclic(1));
fourier_laws!(definition_c6, Definition(along(6, true)), cyclic(6));
fourier_laws!(definition_d7, Definition(beside(7, true)), dihedral(7));
fourier_laws!(shuffled_d5, longest(&shuffled()), shuffled());
fourier_laws!(shuffled_d5_fft, longest(&shuffled()).with_fft(true), shuffled());
fourier_laws!(s4_along_a_4_cycle, longest(&s4()), s4());
fourier_laws!(s4_along_the_identity, CyclicSubgroupBasis::new(&s4(), s4().identity()), s4());
fourier_laws!(q8_along_i, longest(&q8()), q8());
fourier_laws!(q8_along_minus_one, CyclicSubgroupBasis::new(&q8(), q8().power(q8().element(1), 2)), q8());

#[test]
fn all_at_once() {
    assert_eq!(laws::fourier::check_on(&along(6, true), &cyclic(6)), Ok(()));
    assert_eq!(laws::fourier::check_on(&longest(&s4()) as &dyn FourierBasis, &s4()), Ok(()));
    assert_eq!((q8().order(), q8().is_abelian(), longest(&q8()).sectors().len()), (8, false, 2));
}

/// A pointer to a basis keeps what the basis overrides, not the trait's defaults.
#[test]
fn pointers_to_a_basis_are_the_basis() {
    fn same(pointer: impl FourierBasis, basis: &CyclicSubgroupBasis) {
        assert_eq!(pointer.name(), basis.name());
        assert_eq!((pointer.generator(), pointer.fingerprint()), (basis.generator(), basis.fingerprint()));
        assert_eq!((pointer.sectors(), pointer.blocks()), (basis.sectors(), basis.blocks()));
        assert_eq!((pointer.row_names(), pointer.matrix()), (basis.row_names(), basis.matrix()));
        let values = Array2::from_shape_fn((pointer.rows(), 3), |(i, j)| wave(3 * i + j));
        let [mut through, mut direct] = [values.clone(), values.clone()];
        pointer.transform(Direction::Forward, values.view(), through.view_mut());
        basis.transform(Direction::Forward, values.view(), direct.view_mut());
        assert_eq!(through, direct);
    }
    let basis = longest(&s4());
    same(&basis, &basis);
    same(Box::new(longest(&s4())) as Box<dyn FourierBasis>, &basis);
    same(std::sync::Arc::new(longest(&s4())), &basis);
}

/// Numbers that repeat nowhere soon.
fn wave(i: usize) -> f32 {
    ((i * i + 3 * i) as f32 * 0.7).sin()
}

/// The 2-D transform by its definition: four loops in f64.
fn naive_2d(basis: &impl FourierBasis, values: &Array3<f32>) -> Array5<f64> {
    let (s, m) = (basis.sectors().len(), basis.rows());
    Array5::from_shape_fn((s, s, m, m, values.dim().2), |(sx, sy, i, j, c)| {
        let mut sum = 0.0;
        for (t, x) in basis.sectors()[sx].iter().enumerate() {
            for (u, y) in basis.sectors()[sy].iter().enumerate() {
                sum += basis.value(i, t) * basis.value(j, u) * f64::from(values[[x.index(), y.index(), c]]);
            }
        }
        sum
    })
}

fn check_2d(basis: &impl FourierBasis, values: &Array3<f32>) {
    let (n, s, m, channels) = (basis.order(), basis.sectors().len(), basis.rows(), values.dim().2);
    let scale = f64::from(values.iter().map(|v| v * v).sum::<f32>()).sqrt() + 1e-30;
    let regions = untile_2d(basis, values.view()).unwrap();
    assert_eq!(regions.dim(), (s, s, m, m, channels));
    for ((sx, sy, t, u, c), &v) in regions.indexed_iter() {
        let (x, y) = (basis.sectors()[sx][t], basis.sectors()[sy][u]);
        assert_eq!(v, values[[x.index(), y.index(), c]]);
    }
    assert_eq!(tile_2d(basis, regions.view()).unwrap(), values);
    let coefficients = forward_2d(basis, values.view()).unwrap();
    let naive = naive_2d(basis, values);
    assert_eq!(coefficients.dim(), naive.dim());
    for (got, want) in coefficients.iter().zip(&naive) {
        assert!((f64::from(*got) - want).abs() <= 1e-5 * scale, "{got} against {want}");
    }
    let back = inverse_2d(basis, naive.mapv(|v| v as f32).view()).unwrap();
    assert_eq!(back.dim(), (n, n, channels));
    for (got, want) in back.iter().zip(values) {
        assert!(f64::from(got - want).abs() <= 1e-5 * scale, "{got} against {want}");
    }
}

#[test]
fn the_2d_transform_is_four_loops() {
    for fft in [false, true] {
        for (n, channels) in [(1, 1), (1, 3), (2, 2), (5, 1), (6, 20)] {
            let values = |n| Array3::from_shape_fn((n, n, channels), |(x, y, c)| wave(x * 31 + y * 7 + c));
            check_2d(&along(n, fft), &values(n));
            check_2d(&beside(n, fft), &values(2 * n));
            // Other strides.
            check_2d(&along(n, fft), &values(n).permuted_axes([1, 0, 2]));
        }
        let values = Array3::from_shape_fn((10, 10, 2), |(x, y, c)| wave(x * 31 + y * 7 + c));
        check_2d(&longest(&shuffled()).with_fft(fft), &values);
        check_2d(&longest(&shuffled()).with_fft(fft), &Array3::zeros((10, 10, 0)));
    }
    check_2d(&longest(&s4()), &Array3::from_shape_fn((24, 24, 2), |(x, y, c)| wave(x * 31 + y * 7 + c)));
}

#[test]
fn the_1d_transform_is_two_loops() {
    let group = shuffled();
    let basis = longest(&group);
    let values = Array2::from_shape_fn((10, 3), |(x, c)| wave(3 * x + c));
    let coefficients = forward(&basis, values.view()).unwrap();
    assert_eq!(coefficients.dim(), (2, 5, 3));
    for ((s, row, c), &got) in coefficients.indexed_iter() {
        let terms = basis.sectors()[s].iter().enumerate();
        let want: f64 = terms.map(|(t, x)| basis.value(row, t) * f64::from(values[[x.index(), c]])).sum();
        assert!((f64::from(got) - want).abs() < 1e-5);
    }
    let back = inverse(&basis, coefficients.view()).unwrap();
    assert!(back.iter().zip(&values).all(|(a, b)| (a - b).abs() < 1e-5));
}

/// A cosine is one component, a product of two one term.
#[test]
fn waves_are_single_components() {
    let n = 12;
    for fft in [false, true] {
        let basis = along(n, fft);
        for row in 0..n {
            let k = row.div_ceil(2);
            let angle = |t: usize| TAU * (k * t) as f64 / n as f64;
            let wave = |t| if row == 0 || row % 2 == 1 { angle(t).cos() } else { angle(t).sin() };
            let norm = if row == 0 || row == n - 1 { n as f64 } else { n as f64 / 2.0 }.sqrt();
            let values = Array2::from_shape_fn((n, 1), |(t, _)| wave(t) as f32);
            for (r, &got) in forward(&basis, values.view()).unwrap().iter().enumerate() {
                let want = if r == row { norm } else { 0.0 };
                assert!((f64::from(got) - want).abs() < 1e-5, "row {row}: {got} at {r}");
            }
            let pairs = Array3::from_shape_fn((n, n, 1), |(x, y, _)| (wave(x) * wave((y + 1) % n)) as f32);
            let coefficients = forward_2d(&basis, pairs.view()).unwrap();
            let of_block = |r: usize| r.div_ceil(2) == k;
            for ((_, _, i, j, _), &got) in coefficients.indexed_iter() {
                assert!(i == row && of_block(j) || got.abs() < 1e-4, "row {row}: {got} at {i}, {j}");
            }
        }
    }
}

#[test]
fn names_and_blocks() {
    let basis = along(5, false);
    assert_eq!(basis.row_names(), ["const", "cos 1", "sin 1", "cos 2", "sin 2"]);
    assert_eq!(basis.block_of_row(), [0, 1, 1, 2, 2]);
    assert_eq!(along(1, false).row_names(), ["const"]);
    assert_eq!(along(2, false).row_names(), ["const", "cos 1"]);
    assert_eq!(beside(1, false).sectors(), [[Elem::new(0)], [Elem::new(1)]]);
    assert_eq!(basis.chance_share(0), 1.0 / 25.0);
    assert_eq!(basis.chance_share(1), 9.0 / 25.0);
    let element = |i| Elem::new(i);
    assert_eq!(beside(3, true).sectors(), [[0, 1, 2].map(element), [3, 4, 5].map(element)]);
}

#[test]
fn wrong_shapes_are_errors() {
    let basis = beside(3, false);
    let shape = |error: Error| match error {
        Error::Shape { expected, got, .. } => (expected, got),
        other => panic!("{other}"),
    };
    let error = forward(&basis, Array2::zeros((5, 2)).view()).unwrap_err();
    assert_eq!(shape(error), (vec![6, 2], vec![5, 2]));
    let error = inverse(&basis, Array3::zeros((3, 2, 1)).view()).unwrap_err();
    assert_eq!(shape(error), (vec![2, 3, 1], vec![3, 2, 1]));
    for wrong in [(5, 6, 1), (6, 5, 1)] {
        let got = vec![wrong.0, wrong.1, 1];
        assert_eq!(shape(untile_2d(&basis, Array3::zeros(wrong).view()).unwrap_err()), (vec![6, 6, 1], got.clone()));
        assert_eq!(shape(forward_2d(&basis, Array3::zeros(wrong).view()).unwrap_err()), (vec![6, 6, 1], got));
    }
    for wrong in [(1, 2, 3, 3, 4), (2, 1, 3, 3, 4), (2, 2, 6, 3, 4), (2, 2, 3, 6, 4)] {
        assert_eq!(shape(tile_2d(&basis, Array5::zeros(wrong).view()).unwrap_err()).0, [2, 2, 3, 3, 4]);
        assert_eq!(shape(inverse_2d(&basis, Array5::zeros(wrong).view()).unwrap_err()).0, [2, 2, 3, 3, 4]);
    }
}

#[test]
fn nan_stays_in_its_column() {
    for fft in [false, true] {
        let basis = along(8, fft);
        let mut values = Array2::zeros((8, 20));
        values[[3, 17]] = f32::NAN;
        for direction in [Direction::Forward, Direction::Inverse] {
            let mut out = Array2::ones((8, 20));
            basis.transform(direction, values.view(), out.view_mut());
            // Not to every row: the FFT keeps real and imaginary parts apart.
            assert!(out.column(17).iter().any(|v| v.is_nan()), "{direction:?}, fft {fft}");
            let elsewhere = out.indexed_iter().filter(|((_, column), _)| *column != 17);
            assert!(elsewhere.into_iter().all(|(_, &v)| v == 0.0), "{direction:?}, fft {fft}");
        }
    }
}

/// A basis whose transform is called with whatever the free functions make of odd strides.
struct Counting(CyclicSubgroupBasis);

impl FourierBasis for Counting {
    fn sectors(&self) -> &[Vec<Elem>] {
        self.0.sectors()
    }
    fn blocks(&self) -> &[Block] {
        self.0.blocks()
    }
    fn row_name(&self, row: usize) -> String {
        self.0.row_name(row)
    }
    fn value(&self, row: usize, position: usize) -> f64 {
        self.0.value(row, position)
    }
    fn transform(&self, direction: Direction, input: ArrayView2<'_, f32>, output: ArrayViewMut2<'_, f32>) {
        assert_eq!((input.nrows(), input.dim()), (self.rows(), output.dim()));
        self.0.transform(direction, input, output);
    }
}

fourier_laws!(shapes_that_reach_transform, Counting(beside(6, true)), dihedral(6));

proptest! {
    #[test]
    fn any_element_of_any_group(group in support::shuffled(), pick in any::<usize>(), fft in any::<bool>()) {
        let h = group.element(pick % group.order());
        let basis = CyclicSubgroupBasis::new(&group, h).with_fft(fft);
        prop_assert_eq!(laws::fourier::check_on(&basis, &group), Ok(()));
        prop_assert_eq!(basis.rows(), group.element_order(h));
    }

    #[test]
    fn two_dimensional_transforms(group in support::shuffled(), pick in any::<usize>(), fft in any::<bool>()) {
        let h = group.element(pick % group.order());
        let basis = CyclicSubgroupBasis::new(&group, h).with_fft(fft);
        let n = group.order();
        let values = Array3::from_shape_fn((n, n, 1), |(x, y, _)| wave(x * 53 + y + pick % 100));
        let (got, want) = (forward_2d(&basis, values.view()).unwrap(), naive_2d(&basis, &values));
        let far = got.iter().zip(&want).any(|(got, want)| (f64::from(*got) - want).abs() > 1e-4);
        prop_assert!(!far);
    }
}
