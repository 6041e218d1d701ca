//! Spectra: squared norms per component, and the 2-D energies of a site.

use crate::models::{self, Draw, Opaque};
use crate::oracle::{Case, near, near_of, rows, values};
use irreplens::analysis::notebook::{component_norms_of_sum, unembedding_of};
use irreplens::analysis::{component_norms, embedding, neuron_spectrum};
use irreplens::model::{Interpretable, Separable};
use ndarray::{Array1, Array2, ArrayView2};
use proptest::prelude::{ProptestConfig, any, proptest};

/// Coefficient of a map's channel in (sector, row).
fn coefficient(case: &Case, map: &[Vec<f64>], sector: usize, row: usize, channel: usize) -> f64 {
    let elements = case.sectors[sector].iter().zip(&case.rows[row]);
    elements.map(|(&x, value)| value * map[x][channel]).sum()
}

fn norms(case: &Case, map: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let square = |s, i| (0..map[0].len()).map(|k| coefficient(case, map, s, i, k).powi(2)).sum();
    (0..case.sectors.len()).map(|s| (0..case.m).map(|i| square(s, i)).collect()).collect()
}

fn norms_of_sum(case: &Case, map: &[Vec<f64>]) -> Vec<f64> {
    let sum = |i, k| (0..case.sectors.len()).map(|s| coefficient(case, map, s, i, k)).sum::<f64>();
    (0..case.m).map(|i| (0..map[0].len()).map(|k| sum(i, k).powi(2)).sum()).collect()
}

#[test]
fn component_norms_are_sums_of_squares() {
    for case in Case::all() {
        for channels in [1, 5] {
            let map = Draw::new(channels as u64).matrix(case.n, channels);
            let explicit = rows(map.view());
            let got = component_norms(&case.basis, map.view()).unwrap();
            assert_eq!(got.dim(), (case.sectors.len(), case.m));
            near(&case.name, got, norms(&case, &explicit).concat());
            let got = component_norms_of_sum(&case.basis, map.view()).unwrap();
            near(&case.name, got, norms_of_sum(&case, &explicit));
        }
    }
}

#[test]
fn opposite_sectors_cancel_in_the_published_sum() {
    let case = Case::dihedral(6);
    let wave = Draw::new(1).matrix(6, 3);
    let map = ndarray::concatenate![ndarray::Axis(0), wave, -&wave];
    let sum = component_norms_of_sum(&case.basis, map.view()).unwrap();
    assert!(sum.iter().all(|&v| v < 1e-10), "{sum}");
    let apart = component_norms(&case.basis, map.view()).unwrap();
    near("both sectors", [apart.sum()], [2.0 * wave.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>()]);
}

#[test]
fn embedding_spectra_are_those_of_the_maps() {
    let check = |what: &str, case: &Case, got: &Option<Array1<f64>>, map: Option<ArrayView2<'_, f32>>| {
        let Some(map) = map else { return assert_eq!(got, &None, "{what}") };
        let by_sector = norms(case, &rows(map));
        let want = (0..case.m).map(|i| by_sector.iter().map(|s| s[i]).sum());
        near(what, got.clone().unwrap(), want);
    };
    for case in Case::all() {
        for (kind, model) in models::all(case.n, 20) {
            let what = |map: &str| format!("{}, {kind}: {map}", case.name);
            let found = embedding(&model, &case.basis).unwrap();
            assert_eq!(found.components.len(), case.m);
            let (left, right) = model.embeddings().unzip();
            check(&what("left"), &case, &found.embed_left, left);
            check(&what("right"), &case, &found.embed_right, right);
            let maps = model.as_separable();
            check(&what("neuron left"), &case, &found.neuron_left, maps.map(Separable::left));
            check(&what("neuron right"), &case, &found.neuron_right, maps.map(Separable::right));
            let unembedding = model.readout().unembedding();
            check(&what("unembed"), &case, &found.unembed, unembedding.as_ref().map(|u| u.t()));
            if let Some(u) = &unembedding {
                let got = component_norms_of_sum(&case.basis, u.t()).unwrap();
                near(&what("sum"), got, norms_of_sum(&case, &rows(u.t())));
            }
            if let Some(unembedding) = model.readout().unembedding() {
                let some: Vec<usize> = (0..unembedding.nrows()).step_by(2).collect();
                let got = unembedding_of(&model, &case.basis, &some).unwrap();
                let part = unembedding.select(ndarray::Axis(0), &some);
                near(&what("cluster"), got, norms_of_sum(&case, &rows(part.t())));
                let none = unembedding_of(&model, &case.basis, &[]).unwrap();
                assert_eq!(none, Array1::<f64>::zeros(case.m));
            }
        }
        let found = embedding(&Opaque(models::summed(case.n, 3, 1)), &case.basis).unwrap();
        assert!([&found.embed_left, &found.neuron_left, &found.unembed].iter().all(|s| s.is_none()));
    }
}

/// Every field of the spectrum and of the block energies of a site from its definition.
fn check_spectrum(what: &str, case: &Case, model: &impl Interpretable, site: &str) {
    let values = values(model, case, site);
    let found = model.spectrum(site, &case.basis).unwrap();
    let alone = model.block_energies(site, &case.basis).unwrap();
    let (n, m, width, sectors) = (case.n, case.m, values[0].len(), case.sectors.len());
    let blocks = case.blocks.len();
    let column = |k: usize| values.iter().map(move |row| row[k]);
    let mean: Vec<f64> = (0..width).map(|k| column(k).sum::<f64>() / (n * n) as f64).collect();
    let energy: Vec<f64> = (0..width).map(|k| column(k).map(|v| v * v).sum()).collect();
    let centred: Vec<f64> = (0..width).map(|k| column(k).map(|v| (v - mean[k]).powi(2)).sum()).collect();
    let [mut constant, mut constant_centred] = [(); 2].map(|()| vec![0.0; width]);
    let [mut linear_x, mut linear_y, mut product] = [(); 3].map(|()| Array2::<f64>::zeros((width, blocks)));
    let [mut square, mut square_centred] = [(); 2].map(|()| Array2::<f64>::zeros((m, m)));
    let (mut split, mut split_centred) = ([0.0; 5], [0.0; 5]);
    let block_of = |row: usize| case.blocks.iter().position(|rows| rows.contains(&row)).unwrap();
    for k in 0..width {
        for (sx, sy) in (0..sectors).flat_map(|sx| (0..sectors).map(move |sy| (sx, sy))) {
            let terms = case.coefficients(sx, sy, |x, y| values[x * n + y][k]);
            let of_centred = case.coefficients(sx, sy, |x, y| values[x * n + y][k] - mean[k]);
            constant[k] += terms[0][0].powi(2);
            constant_centred[k] += of_centred[0][0].powi(2);
            for i in 0..m {
                for j in 0..m {
                    let (e, c) = (terms[i][j].powi(2), of_centred[i][j].powi(2));
                    square[[i, j]] += e;
                    square_centred[[i, j]] += c;
                    let kind = match (block_of(i), block_of(j)) {
                        (0, 0) => 0,
                        (b, 0) => {
                            linear_x[[k, b]] += e;
                            1
                        }
                        (0, b) => {
                            linear_y[[k, b]] += e;
                            2
                        }
                        (a, b) if a == b => {
                            product[[k, b]] += e;
                            3
                        }
                        _ => 4,
                    };
                    split[kind] += e;
                    split_centred[kind] += c;
                }
            }
        }
    }
    let total: f64 = energy.iter().sum();
    let check = |field: &str, got: Vec<f64>, want: Vec<f64>, scale: f64| {
        near_of(&format!("{what}, {site}: {field}"), &got, &want, scale);
    };
    let largest = values.iter().flatten().fold(0.0f64, |m, v| m.max(v.abs()));
    let flat = |matrix: &Array2<f64>| matrix.iter().copied().collect::<Vec<_>>();
    for by_block in [&found.by_block, &alone] {
        assert_eq!(by_block.site, site);
        check("mean", by_block.mean.to_vec(), mean.clone(), largest);
        check("energy", by_block.energy.to_vec(), energy.clone(), total);
        check("energy centred", by_block.energy_centred.to_vec(), centred.clone(), total);
        check("constant", by_block.constant.to_vec(), constant.clone(), total);
        check("constant centred", by_block.constant_centred.to_vec(), constant_centred.clone(), total);
        for (field, got, want) in [
            ("linear in x", &by_block.linear_x, &linear_x),
            ("linear in y", &by_block.linear_y, &linear_y),
            ("products", &by_block.product, &product),
        ] {
            assert_eq!(got.dim(), (width, blocks));
            assert!(got.column(0).iter().all(|&v| v == 0.0), "{what}: {field}: block 0");
            check(field, flat(got), flat(want), total);
        }
    }
    let count = (sectors * sectors * width) as f64;
    check("mean square", flat(&found.mean_square), flat(&(&square / count)), total / count);
    let got = found.mean_square_centred();
    check("mean square, centred", flat(&got), flat(&(&square_centred / count)), total / count);
    let list = |s: irreplens::model::Split2d| vec![s.constant, s.linear_x, s.linear_y, s.within_block, s.across_blocks];
    check("split", list(found.split), split.to_vec(), total);
    check("split, centred", list(found.split_centred()), split_centred.to_vec(), total);
    check("shares", list(found.split.shares().unwrap()), split.map(|e| e / total).to_vec(), 1.0);
    // Parseval, and the terms of a channel within its energy.
    check("parseval", vec![list(found.split).iter().sum()], vec![total], total);
}

#[test]
fn spectra_are_2d_transforms_written_out() {
    for case in Case::all() {
        for (kind, model) in models::all(case.n, 30) {
            for site in model.sites() {
                check_spectrum(&format!("{}, {kind}", case.name), &case, &model, &site.name);
            }
        }
    }
}

#[test]
fn the_heat_map_of_a_neuron_is_its_2d_transform() {
    for case in [Case::cyclic(5), Case::dihedral(4), Case::shuffled()] {
        for (kind, model) in models::all(case.n, 40) {
            let site = model.neuron_site().to_owned();
            let values = values(&model, &case, &site);
            let found = neuron_spectrum(&model, &case.basis, &site, 2).unwrap();
            let sectors = case.sectors.len();
            assert_eq!(found.dim(), (sectors, sectors, case.m, case.m));
            let want = (0..sectors)
                .flat_map(|sx| (0..sectors).map(move |sy| (sx, sy)))
                .flat_map(|(sx, sy)| case.coefficients(sx, sy, |x, y| values[x * case.n + y][2]).concat());
            near(&format!("{}, {kind}", case.name), found.iter().map(|&v| f64::from(v)), want);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn spectra_of_any_shape(n in 1..7_usize, d in 1..20_usize, dihedral in any::<bool>(), seed in any::<u32>()) {
        let case = if dihedral { Case::dihedral(n) } else { Case::cyclic(n) };
        let model = models::one_layer(case.n, 2, d, true, seed.into());
        check_spectrum(&case.name, &case, &model, "hidden");
    }
}
