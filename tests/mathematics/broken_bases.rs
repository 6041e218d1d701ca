//! The law kit against bases that are deliberately broken.

use crate::families;
use crate::fourier_laws::Definition;
use irreplens::fourier::{Block, CyclicSubgroupBasis, Direction, FourierBasis, IrrepBasis};
use irreplens::group::{CayleyTable, Cyclic, Dihedral, DirectProduct, Elem, Group, GroupExt, Symmetric};
use irreplens::laws::Violation;
use irreplens::laws::fourier::{
    blocks, check, check_on, convolution, cosets, fast_equals_dense, inverse_1d, inverse_2d, orthonormality, parseval,
    sectors, shift, translations,
};
use ndarray::{Array2, ArrayView2, ArrayViewMut2};

type Value = fn(usize, usize, f64) -> f64;
type Transform = fn(&Broken, Direction, ArrayView2<'_, f32>, ArrayViewMut2<'_, f32>);

/// The basis of C_n along its generator, with some parts replaced.
struct Broken {
    sectors: Vec<Vec<Elem>>,
    blocks: Vec<Block>,
    generator: Option<Elem>,
    inner: CyclicSubgroupBasis,
    length: usize,
    rows: Option<usize>,
    value: Value,
    matrix: Option<fn(Array2<f64>) -> Array2<f64>>,
    transform: Transform,
    block_of_row: Option<Vec<usize>>,
}

fn sound(n: usize) -> Broken {
    let inner = CyclicSubgroupBasis::cyclic(&Cyclic::new(n).unwrap());
    Broken {
        sectors: inner.sectors().to_vec(),
        blocks: inner.blocks().to_vec(),
        generator: inner.generator(),
        length: n,
        inner,
        rows: None,
        value: |_, _, v| v,
        matrix: None,
        transform: definition,
        block_of_row: None,
    }
}

fn definition(basis: &Broken, direction: Direction, input: ArrayView2<'_, f32>, mut output: ArrayViewMut2<'_, f32>) {
    let matrix = basis.matrix();
    let matrix = if direction == Direction::Forward { matrix.view() } else { matrix.t() };
    output.assign(&matrix.dot(&input.mapv(f64::from)).mapv(|v| v as f32));
}

impl FourierBasis for Broken {
    fn sectors(&self) -> &[Vec<Elem>] {
        &self.sectors
    }
    fn blocks(&self) -> &[Block] {
        &self.blocks
    }
    fn row_name(&self, row: usize) -> String {
        format!("row {row}")
    }
    fn value(&self, row: usize, position: usize) -> f64 {
        (self.value)(row, position, self.inner.value(row % self.length, position % self.length))
    }
    fn generator(&self) -> Option<Elem> {
        self.generator
    }
    fn rows(&self) -> usize {
        self.rows.unwrap_or_else(|| self.sectors()[0].len())
    }
    fn matrix(&self) -> Array2<f64> {
        let (rows, change) = (self.rows(), self.matrix.unwrap_or(|matrix| matrix));
        change(Array2::from_shape_fn((rows, rows), |(row, position)| self.value(row, position)))
    }
    fn transform(&self, direction: Direction, input: ArrayView2<'_, f32>, output: ArrayViewMut2<'_, f32>) {
        (self.transform)(self, direction, input, output);
    }
    fn block_of_row(&self) -> Vec<usize> {
        self.block_of_row.clone().unwrap_or_else(|| self.inner.block_of_row())
    }
}

/// The law that fails, and that no law panics.
fn law(basis: &Broken) -> &'static str {
    let all = [blocks, orthonormality, fast_equals_dense, inverse_1d, inverse_2d, parseval, shift, convolution];
    let group = Cyclic::new(6).unwrap();
    let _: Vec<Result<(), Violation>> = all.iter().map(|law| law(basis)).collect();
    assert!(check_on(basis, &group).is_err());
    check(basis).unwrap_err().law
}

#[test]
fn the_basis_is_sound() {
    for n in [1, 2, 6, 7, 140] {
        assert_eq!(check_on(&sound(n), &Cyclic::new(n).unwrap()), Ok(()));
    }
}

#[test]
fn no_partition() {
    let with = |sectors: &[&[usize]]| {
        let sectors = sectors.iter().map(|s| s.iter().copied().map(Elem::new).collect()).collect();
        let basis = Broken { sectors, ..sound(6) };
        assert_eq!(law(&basis), "sectors");
        sectors_violation(&basis)
    };
    assert_eq!(with(&[]), "law `sectors` fails at size of sector 0: 0 against 1..");
    assert_eq!(with(&[&[], &[]]), "law `sectors` fails at size of sector 0: 0 against 1..");
    assert_eq!(with(&[&[0, 1], &[2]]), "law `sectors` fails at size of sector 1: 1 against 2");
    assert_eq!(with(&[&[0, 1], &[2, 4]]), "law `sectors` fails at [1, 1]: #4 against 0..4");
    assert_eq!(with(&[&[0, 1], &[2, 1]]), "law `sectors` fails at #1: [0, 1] against [1, 1]");
    let basis = Broken { rows: Some(5), ..sound(6) };
    assert_eq!(law(&basis), "sectors");
    assert_eq!(sectors_violation(&basis), "law `sectors` fails at rows: 5 against 6");
}

fn sectors_violation(basis: &Broken) -> String {
    let violation = sectors(basis).unwrap_err();
    assert_eq!(check(basis).unwrap_err(), violation);
    violation.to_string().replace('"', "")
}

#[test]
fn blocks_that_do_not_partition() {
    let with = |ranges: &[std::ops::Range<usize>]| {
        let blocks = ranges.iter().map(|rows| Block { name: String::new(), rows: rows.clone() }).collect();
        let basis = Broken { blocks, ..sound(6) };
        assert_eq!(law(&basis), "blocks");
        blocks_violation(&basis)
    };
    assert_eq!(with(&[]), "law `blocks` fails at block 0: None against Some(0..1)");
    assert_eq!(with(&[0..2, 2..6]), "law `blocks` fails at block 0: Some(0..2) against Some(0..1)");
    assert_eq!(with(&[0..1, 2..6]), "law `blocks` fails at block 1: 2..6 against 1.. below 6");
    assert_eq!(with(&[0..1, 1..4, 3..6]), "law `blocks` fails at block 2: 3..6 against 4.. below 6");
    assert_eq!(with(&[0..1, 1..1, 1..6]), "law `blocks` fails at block 1: 1..1 against 1.. below 6");
    assert_eq!(with(&[0..1, 1..9]), "law `blocks` fails at block 1: 1..9 against 1.. below 6");
    assert_eq!(with(&[0..1, 1..5]), "law `blocks` fails at rows in blocks: 5 against 6");
    let basis = Broken { block_of_row: Some(vec![0; 6]), ..sound(6) };
    assert_eq!(law(&basis), "blocks");
    // Orthonormal, but the constant comes second.
    let basis = Broken { value: |row, t, v| if row < 2 { sound(6).inner.value(1 - row, t) } else { v }, ..sound(6) };
    assert_eq!(law(&basis), "blocks");
    let basis = Broken { value: |row, _, v| if row == 0 { -v } else { v }, ..sound(6) };
    assert_eq!(law(&basis), "blocks");
}

fn blocks_violation(basis: &Broken) -> String {
    blocks(basis).unwrap_err().to_string().replace('"', "")
}

#[test]
fn rows_that_are_not_orthonormal() {
    for n in [6, 140] {
        let twice = Broken { value: |row, _, v| if row == 3 { 2.0 * v } else { v }, ..sound(n) };
        assert_eq!((law(&twice), witness(&twice)), ("orthonormality", "[3, 3]".into()));
        let nan = Broken { value: |row, t, v| if row == 3 && t == 1 { f64::NAN } else { v }, ..sound(n) };
        assert_eq!(law(&nan), "orthonormality");
    }
    let same = Broken { value: |row, t, v| if row == 4 { sound(6).inner.value(2, t) } else { v }, ..sound(6) };
    assert_eq!((law(&same), witness(&same)), ("orthonormality", "[2, 4]".into()));
}

fn witness(basis: &Broken) -> String {
    orthonormality(basis).unwrap_err().witness
}

#[test]
fn a_matrix_of_other_values() {
    let transposed = Broken { matrix: Some(|m| m.reversed_axes()), ..sound(6) };
    assert_eq!(law(&transposed), "matrix");
    let small = Broken { matrix: Some(|_| Array2::eye(5)), transform: |_, _, _, _| {}, ..sound(6) };
    assert_eq!(law(&small), "matrix");
}

#[test]
fn transforms_other_than_the_matrix() {
    let faults: [Transform; 6] = [
        // The wrong way round.
        |b, _, input, output| definition(b, Direction::Forward, input, output),
        // One row negated.
        |b, direction, input, mut output| {
            definition(b, direction, input, output.view_mut());
            output.row_mut(2).mapv_inplace(|v| -v);
        },
        // A batch of 16 and no more.
        |b, direction, input, mut output| {
            let batch = input.ncols().min(16);
            let input = input.slice(ndarray::s![.., ..batch]);
            definition(b, direction, input, output.slice_mut(ndarray::s![.., ..batch]));
        },
        // Rows taken to be contiguous.
        |b, direction, input, mut output| {
            let copy = Array2::from_shape_vec(input.dim(), input.t().iter().copied().collect()).unwrap();
            let contiguous = input.is_standard_layout() || input.is_empty();
            definition(b, direction, if contiguous { input } else { copy.view() }, output.view_mut());
        },
        // Added to what is there.
        |b, direction, input, mut output| {
            let mut fresh = Array2::zeros(output.dim());
            definition(b, direction, input, fresh.view_mut());
            output += &fresh;
        },
        // Coarse.
        |b, direction, input, mut output| {
            definition(b, direction, input, output.view_mut());
            output.mapv_inplace(|v| (v * 1e3).round() / 1e3);
        },
    ];
    for (i, transform) in faults.into_iter().enumerate() {
        let basis = Broken { transform, ..sound(6) };
        assert_eq!((i, law(&basis)), (i, "fast equals dense"));
    }
    // A large one, where only random functions are tried.
    assert_eq!(law(&Broken { transform: faults_of_a_row, ..sound(140) }), "fast equals dense");
}

fn faults_of_a_row(b: &Broken, direction: Direction, input: ArrayView2<'_, f32>, mut output: ArrayViewMut2<'_, f32>) {
    definition(b, direction, input, output.view_mut());
    output.row_mut(139).fill(0.0);
}

#[test]
fn inverses_that_are_none() {
    // The transpose forgotten: an orthogonal map both ways.
    let basis = Broken { transform: |b, _, i, o| definition(b, Direction::Forward, i, o), ..sound(6) };
    assert_eq!(inverse_1d(&basis).unwrap_err().law, "inverse 1-D");
    assert_eq!(inverse_2d(&basis).unwrap_err().law, "inverse 2-D");
    assert_eq!(parseval(&basis), Ok(()));
}

#[test]
fn energy_that_is_lost() {
    let half: Transform = |b, direction, input, mut output| {
        definition(b, direction, input, output.view_mut());
        output *= if direction == Direction::Forward { 0.5 } else { 2.0 };
    };
    let basis = Broken { transform: half, ..sound(6) };
    assert_eq!((inverse_1d(&basis), inverse_2d(&basis)), (Ok(()), Ok(())));
    assert_eq!(parseval(&basis).unwrap_err().law, "parseval");
}

/// Only what needs the group is wrong.
fn coset_violation(basis: &impl FourierBasis, group: &impl Group) -> Violation {
    assert_eq!(check(basis), Ok(()));
    let violation = check_on(basis, group).unwrap_err();
    assert_eq!(violation.law, "cosets");
    violation
}

#[test]
fn sectors_that_are_no_cosets() {
    let group = Cyclic::new(6).unwrap();
    let mut basis = sound(6);
    basis.sectors[0].swap(1, 2);
    assert_eq!(coset_violation(&basis, &group).to_string(), "law `cosets` fails at [0, 1]: #2 against #1");
    let basis = Broken { generator: Some(Elem::new(5)), ..sound(6) };
    coset_violation(&basis, &group);
    let basis = Broken { generator: Some(Elem::new(6)), ..sound(6) };
    assert_eq!(coset_violation(&basis, &group).left, "#6");
    assert_eq!(coset_violation(&sound(6), &Cyclic::new(7).unwrap()).witness, "\"order\"");
    // Left cosets of a dihedral group, where right ones are asked for: r^i s against s r^i.
    let d3 = Dihedral::new(3).unwrap();
    let mut sectors = CyclicSubgroupBasis::dihedral(&d3).sectors().to_vec();
    sectors[1].reverse();
    let basis = Broken { sectors, ..sound(3) };
    assert_eq!(coset_violation(&basis, &d3).witness, "[1, 1]");
    // No generator: there are no cosets to hold to, but the blocks are no blocks of the group.
    let mut basis = Broken { generator: None, ..sound(6) };
    basis.sectors[0].swap(1, 2);
    translation_violation(&basis, &group);
}

#[test]
fn waves_that_turn_the_other_way() {
    let mirrored = Broken { value: |row, _, v| if row == 2 { -v } else { v }, ..sound(6) };
    assert_eq!(law(&mirrored), "shift");
    assert_eq!(shift(&mirrored).unwrap_err().law, "shift");
    // Frequencies 1 and 2 of C5 exchanged.
    let exchanged =
        Broken { value: |row, t, v| if row == 0 { v } else { sound(5).inner.value((row + 1) % 4 + 1, t) }, ..sound(5) };
    assert_eq!(law(&exchanged), "shift");
    let mut wide = sound(6);
    wide.blocks = vec![Block { name: "const".into(), rows: 0..1 }, Block { name: "rest".into(), rows: 1..6 }];
    wide.block_of_row = Some(vec![0, 1, 1, 1, 1, 1]);
    assert_eq!(law(&wide), "shift");
    assert_eq!(check(&Broken { generator: None, ..wide }), Ok(()));
}

#[test]
fn waves_of_the_wrong_sign() {
    let negated = Broken { value: |row, _, v| if row == 1 || row == 2 { -v } else { v }, ..sound(6) };
    assert_eq!(shift(&negated), Ok(()));
    assert_eq!(law(&negated), "convolution");
    assert_eq!(convolution(&negated).unwrap_err().law, "convolution");
}

#[test]
fn laws_of_the_group_alone() {
    let basis = Broken { sectors: Vec::new(), ..sound(6) };
    assert_eq!(cosets(&basis, &Cyclic::new(6).unwrap()).unwrap_err().law, "sectors");
}

/// All laws of the basis alone hold, and what it has to do with cosets; not those of its group.
fn translation_violation(basis: &impl FourierBasis, group: &impl Group) -> Violation {
    assert_eq!((check(basis), cosets(basis, group)), (Ok(()), Ok(())));
    let violation = check_on(basis, group).unwrap_err();
    assert_eq!((violation.law, translations(basis, group)), ("translations", Err(violation.clone())));
    violation
}

/// Rows of signs: the characters of C2^k, in one block each.
struct Walsh {
    sectors: Vec<Vec<Elem>>,
    blocks: Vec<Block>,
}

impl FourierBasis for Walsh {
    fn sectors(&self) -> &[Vec<Elem>] {
        &self.sectors
    }
    fn blocks(&self) -> &[Block] {
        &self.blocks
    }
    fn row_name(&self, row: usize) -> String {
        format!("{row:b}")
    }
    fn value(&self, row: usize, position: usize) -> f64 {
        let size = (self.rows() as f64).sqrt().recip();
        if (row & position).count_ones().is_multiple_of(2) { size } else { -size }
    }
}

#[test]
fn a_basis_of_another_group_of_the_same_order() {
    let walsh = Walsh {
        sectors: vec![(0..16).map(Elem::new).collect()],
        blocks: (0..16).map(|row| Block { name: format!("{row:b}"), rows: row..row + 1 }).collect(),
    };
    translation_violation(&walsh, &Cyclic::new(16).unwrap());
    let two = |n| Cyclic::new(n).unwrap();
    let [four, again] = [0, 1].map(|_| DirectProduct::new(two(2), two(2)).unwrap());
    assert_eq!(check_on(&walsh, &DirectProduct::new(four, again).unwrap()), Ok(()));

    // One that does not say whose it is.
    let (sl, s4) = (families::sl_2_3(), Symmetric::new(4).unwrap());
    let basis = |group: &dyn Group| IrrepBasis::new(group).unwrap();
    translation_violation(&Definition(basis(&s4)), &sl);
    translation_violation(&Definition(basis(&sl)), &s4);
    assert_eq!(check_on(&Definition(basis(&sl)), &sl), Ok(()));
    // One that says so is caught by that.
    assert_eq!(translation_violation(&basis(&s4), &sl).witness, "\"fingerprint\"");
    // Another order of the elements of the same group; where the blocks are the same, the fingerprint tells.
    let rows: Vec<usize> = (0..24).map(|x| 7 * x % 24).collect();
    translation_violation(&Definition(basis(&s4)), &s4.cayley_table().relabelled(&rows).unwrap());
    let opposite = CayleyTable::new(s4.cayley_table().table().t().mapv(Elem::index)).unwrap();
    assert_eq!(check_on(&Definition(basis(&s4)), &opposite), Ok(()));
    translation_violation(&basis(&s4), &opposite);
}

#[test]
fn a_cyclic_basis_of_another_group() {
    // <r> of D6 and the powers of an element of order 6 of C6 x C2 have the same sectors.
    let (d6, abelian) =
        (Dihedral::new(6).unwrap(), DirectProduct::new(Cyclic::new(2).unwrap(), Cyclic::new(6).unwrap()).unwrap());
    let basis = CyclicSubgroupBasis::dihedral(&d6);
    assert_eq!(CyclicSubgroupBasis::new(&abelian, Elem::new(1)).sectors(), basis.sectors());
    assert_eq!(translation_violation(&basis, &abelian).witness, "\"fingerprint\"");
    // Blocks of one frequency split up and put together otherwise.
    let crossed =
        Broken { generator: None, value: |row, t, _| sound(5).inner.value([0, 1, 3, 2, 4][row], t), ..sound(5) };
    let violation = translation_violation(&crossed, &Cyclic::new(5).unwrap());
    assert!(violation.witness.contains("left"), "{violation}");
    // Large: random functions alone.
    let crossed = Broken {
        generator: None,
        value: |row, t, v| match row {
            2 | 4 => {
                (2.0f64 / 140.0).sqrt()
                    * (f64::from(3 - row as u32 / 2) * t as f64 * std::f64::consts::TAU / 140.0).sin()
            }
            _ => v,
        },
        ..sound(140)
    };
    translation_violation(&crossed, &Cyclic::new(140).unwrap());
}
