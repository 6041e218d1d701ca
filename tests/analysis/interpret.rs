//! The shared pass: every field is what the function of its own name returns, in the same bits for any thread count.

use crate::models::{self, Opaque};
use crate::oracle::{Case, less_mean, near, near_of, values};
use irreplens::analysis::notebook::{self, Labels, parity, unembedding_of};
use irreplens::analysis::{
    Ablation, Interpretation, cluster_losses, embedding, hidden_centred, interpret, label_neurons, logit_directions,
    neurons, own_block_only,
};
use irreplens::model::{Evaluation, Hooks, Interpretable, LOGITS, SiteSpectrum};
use proptest::prelude::{ProptestConfig, any, proptest};
use rayon::ThreadPoolBuilder;

#[track_caller]
fn near_loss(what: &str, got: Evaluation, want: Evaluation) {
    near(&format!("{what}: loss"), [got.loss], [want.loss]);
}

#[track_caller]
fn near_spectrum(what: &str, got: &SiteSpectrum, want: &SiteSpectrum) {
    assert_eq!((&got.by_block.site, got.regions), (&want.by_block.site, want.regions), "{what}");
    // Every field is an energy, but for the means, and small beside the total: that sets the scale.
    let scale = want.by_block.energy.sum();
    let fields = |s: &SiteSpectrum| {
        let split = [s.split.constant, s.split.linear_x, s.split.linear_y, s.split.within_block, s.split.across_blocks];
        let b = &s.by_block;
        let by_channel = [&b.energy, &b.energy_centred, &b.constant, &b.constant_centred];
        let by_block = [&b.linear_x, &b.linear_y, &b.product, &s.mean_square];
        let arrays = by_channel.into_iter().flatten().chain(by_block.into_iter().flatten());
        arrays.copied().chain(split).collect::<Vec<f64>>()
    };
    near_of(&format!("{what}: energies"), &fields(got), &fields(want), scale);
    near_of(&format!("{what}: means"), &got.by_block.mean.to_vec(), &want.by_block.mean.to_vec(), scale.sqrt());
}

fn check(what: &str, case: &Case, model: &(impl Interpretable + ?Sized)) -> Interpretation {
    let (basis, task) = (&case.basis, &case.task);
    let found = interpret(model, basis, task).unwrap_or_else(|error| panic!("{what}: {error}"));
    let keys: Vec<_> = found.key_blocks().collect();

    // The logits less each pair's mean: recorded, they have a spectrum like any site.
    let pairs = case.pairs();
    let flat = |rows: &[Vec<f64>]| ndarray::Array2::from_shape_fn((pairs.len(), case.n), |(i, z)| rows[i][z] as f32);
    let raw = values(model, case, "logits");
    let centred = irreplens::model::Precomputed::new(vec![("logits".into(), flat(&less_mean(raw.clone())))], "logits");
    let centred = centred.unwrap().spectrum("logits", basis).unwrap();
    near_spectrum(what, &found.logit_spectrum, &centred);
    let spectrum = match model.neuron_site() {
        "logits" => found.logit_spectrum.clone(),
        site => model.spectrum(site, basis).unwrap(),
    };
    assert_eq!(found.neuron_spectrum, spectrum, "{what}");
    // With the mean's part they are the logits as they are.
    let whole = model.spectrum("logits", basis).unwrap();
    let scale = whole.by_block.energy.sum();
    near_of(what, &found.raw_logit_split().kinds(), &whole.split.kinds(), scale);
    let per_term = scale / (whole.regions * case.n) as f64;
    let [got, want] = [found.raw_logit_mean_square(), whole.mean_square].map(|m| m.into_iter().collect::<Vec<_>>());
    near_of(what, &got, &want, per_term);
    let all = neurons(model, basis).unwrap();
    let clusters = all.clusters();
    assert!(keys.iter().eq(clusters.keys()), "{what}");
    let labelled = label_neurons(&spectrum.by_block, basis);
    assert_eq!(format!("{:?}", found.neurons), format!("{labelled:?}"), "{what}"); // NaN stands for itself
    assert_eq!(found.neurons.clusters(), clusters, "{what}");
    for (got, want) in [(&found.neurons.shares, &all.shares), (&found.neurons.shares_centred, &all.shares_centred)] {
        near(what, got.iter().copied(), want.iter().copied());
    }
    let published = notebook::neurons(model, basis, Labels::AsPublished).unwrap().clusters();
    assert_eq!(found.published.clusters, published.iter().map(|(&b, c)| (b, c.len())).collect(), "{what}");
    assert_eq!(found.embedding, embedding(model, basis).unwrap(), "{what}");
    match model.readout().unembedding() {
        Some(_) => {
            for (b, members) in &clusters {
                let want = unembedding_of(model, basis, members).unwrap();
                assert_eq!(found.published.unembedding_by_cluster[b], want, "{what}");
            }
        }
        None => assert!(found.published.unembedding_by_cluster.is_empty(), "{what}"),
    }
    let directions = logit_directions(model, basis, task, &keys).unwrap();
    assert_eq!(found.directions.blocks, directions.blocks);
    near(&format!("{what}: energy"), found.directions.energy.clone(), directions.energy);
    match (&found.directions.product_share, directions.product_share) {
        (Some(got), Some(want)) => {
            assert!(got.iter().map(Option::is_some).eq(want.iter().map(Option::is_some)), "{what}");
            near(&format!("{what}: share"), got.iter().copied().flatten(), want.into_iter().flatten());
        }
        (got, want) => assert!(got.is_none() && want.is_none(), "{what}"),
    }

    let baseline = model.evaluate(task, &Hooks::none()).unwrap();
    near_loss(&format!("{what}: baseline"), found.baseline, baseline);
    assert_eq!(found.baseline.accuracy, baseline.accuracy, "{what}");
    let want = hidden_centred(model, task, &spectrum.by_block.mean).unwrap();
    near_loss(&format!("{what}: centred"), found.hidden_centred.unwrap(), want);
    if model.neuron_site() == LOGITS {
        assert!(found.own_block_only.is_none() && found.without_cluster.is_none(), "{what}");
    } else {
        let want = own_block_only(model, basis, task, &all).unwrap();
        near_loss(&format!("{what}: own block"), found.own_block_only.unwrap(), want);
        let want = cluster_losses(model, task, &clusters, Ablation::Drop).unwrap();
        let without = found.without_cluster.as_ref().unwrap();
        assert!(without.keys().eq(want.keys()), "{what}");
        for (b, want) in want {
            near_loss(&format!("{what}: without {b}"), without[&b], want);
        }
    }
    match &found.published.parity {
        Some(got) => near_loss(&format!("{what}: parity"), *got, parity(model, basis, task, &keys).unwrap()),
        None => assert!(case.sectors.len() == 1 || parity(model, basis, task, &keys).is_err(), "{what}"),
    }
    assert!(found.to_string().contains("Loss over all pairs"));
    found
}

#[test]
fn every_field_is_the_result_of_its_function() {
    for case in Case::all() {
        for (kind, model) in models::all(case.n, 140) {
            let found = check(&format!("{}, {kind}", case.name), &case, &model);
            assert_eq!(found.published.parity.is_some(), case.sectors.len() > 1);
        }
    }
}

#[test]
fn sectors_of_no_normal_subgroup() {
    let case = Case::not_normal();
    for (kind, model) in models::all(6, 150) {
        let found = check(kind, &case, &model);
        assert!(found.published.parity.is_none() && found.directions.product_share.is_none());
    }
}

#[test]
fn without_fast_paths() {
    for case in [Case::cyclic(6), Case::dihedral(5), Case::shuffled()] {
        for (kind, model) in models::all(case.n, 160) {
            let slow = check(kind, &case, &Opaque(&model));
            if model.neuron_site() == LOGITS {
                continue;
            }
            let fast = interpret(&model, &case.basis, &case.task).unwrap();
            near_loss(kind, slow.own_block_only.unwrap(), fast.own_block_only.unwrap());
            let [slow, fast] = [&slow, &fast].map(|found| found.without_cluster.as_ref().unwrap());
            near(kind, slow.values().map(|e| e.loss), fast.values().map(|e| e.loss));
        }
    }
}

/// More pairs and channels than one block holds.
#[test]
fn several_blocks() {
    for case in [Case::cyclic(53), Case::dihedral(20)] {
        check(&case.name, &case, &models::one_layer(case.n, 5, 37, true, 170));
        check(&case.name, &case, &models::two_layer(case.n, 5, 9, 171));
    }
}

#[test]
fn same_bits_for_any_number_of_threads() {
    let case = Case::dihedral(27);
    let models: Vec<Box<dyn Interpretable>> = vec![
        Box::new(models::one_layer(54, 5, 70, false, 180)),
        Box::new(models::summed(54, 33, 181)),
        Box::new(models::two_layer(54, 8, 40, 182)),
        Box::new(models::bilinear(54, 17, 183)),
    ];
    for model in &models {
        let all = |threads| {
            let pool = ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let found = interpret(model, &case.basis, &case.task).unwrap();
                let clusters = found.neurons.clusters();
                let kept = cluster_losses(model, &case.task, &clusters, Ablation::Keep).unwrap();
                let slow = cluster_losses(&Opaque(model), &case.task, &clusters, Ablation::Drop).unwrap();
                let own = own_block_only(&Opaque(model), &case.basis, &case.task, &found.neurons).unwrap();
                let loss = model.evaluate(&case.task, &Hooks::none()).unwrap();
                serde_json::to_string(&(found, kept, slow, own, loss)).unwrap()
            })
        };
        let one = all(1);
        assert!(one.len() > 10_000);
        for threads in [2, 3] {
            assert!(all(threads) == one, "{threads} threads: other bits");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn any_shape(n in 1..10_usize, d in 1..12_usize, dihedral in any::<bool>(), seed in any::<u32>()) {
        let case = if dihedral { Case::dihedral(n) } else { Case::cyclic(n) };
        check(&case.name, &case, &models::summed(case.n, d, seed.into()));
        check(&case.name, &case, &models::bilinear(case.n, d, seed.into()));
    }
}

/// Recorded activations without their unembedding: everything that needs no hook on them.
#[test]
fn a_model_that_cannot_be_changed_is_still_explained() {
    let case = Case::dihedral(3);
    let model = models::summed(6, 4, 5);
    let recorded = irreplens::model::Precomputed::record(&model, &["hidden", "logits"], "hidden").unwrap();
    let (found, want) = [&recorded as &dyn irreplens::model::Interpretable, &model]
        .map(|model| interpret(model, &case.basis, &case.task).unwrap())
        .into();
    assert!(found.hidden_centred.is_none() && found.own_block_only.is_none() && found.without_cluster.is_none());
    assert_eq!(found.neurons, want.neurons);
    near_loss("baseline", found.baseline, want.baseline);
    near_loss("parity", found.published.parity.unwrap(), want.published.parity.unwrap());
}

/// A model that keeps every site column-major.
struct ColumnMajor(irreplens::model::Network);

impl irreplens::model::Interpretable for ColumnMajor {
    fn order(&self) -> usize {
        self.0.order()
    }
    fn sites(&self) -> Vec<irreplens::model::Site> {
        self.0.sites()
    }
    fn neuron_site(&self) -> &str {
        self.0.neuron_site()
    }
    fn run_with_hooks(
        &self,
        pairs: &[irreplens::task::Pair],
        hooks: &irreplens::model::Hooks,
        keep: &[&str],
    ) -> irreplens::Result<irreplens::model::ActivationCache> {
        let mut cache = self.0.run_with_hooks(pairs, hooks, keep)?;
        let none = irreplens::model::Hooks::none();
        let mut pass = irreplens::model::ForwardPass::new(self, pairs, &none, keep)?;
        for site in keep {
            pass.visit(site, cache.take(site)?.t().as_standard_layout().into_owned().reversed_axes())?;
        }
        Ok(pass.finish())
    }
    fn readout(&self) -> irreplens::model::Readout<'_> {
        self.0.readout()
    }
}

#[test]
fn the_layout_of_activations_does_not_matter() {
    let case = Case::dihedral(3);
    let want = interpret(&models::summed(6, 4, 5), &case.basis, &case.task).unwrap();
    let found = interpret(&ColumnMajor(models::summed(6, 4, 5)), &case.basis, &case.task).unwrap();
    near_loss("own block", found.own_block_only.unwrap(), want.own_block_only.unwrap());
    near_loss("centred", found.hidden_centred.unwrap(), want.hidden_centred.unwrap());
    let [found, want] = [&found, &want].map(|found| found.without_cluster.as_ref().unwrap());
    near("clusters", found.values().map(|e| e.loss), want.values().map(|e| e.loss));
}

/// One neuron of each side's kind, which no frequency has more of than another, and waves.
#[test]
fn forced_labels_are_those_of_before() {
    let case = Case::dihedral(5);
    let mut embed = ndarray::Array2::from_shape_fn((10, 4), |(x, k)| {
        (std::f32::consts::TAU * (2 * (x % 5)) as f32 / 5.0 + k as f32).cos()
    });
    embed.column_mut(1).iter_mut().enumerate().for_each(|(x, v)| *v = if x < 5 { 1.0 } else { -0.5 });
    let model = irreplens::model::Network::summed(embed.clone(), embed.clone(), embed.reversed_axes()).unwrap();
    let found = interpret(&model, &case.basis, &case.task).unwrap();
    let forced = notebook::interpret(&model, &case.basis, &case.task, Labels::Forced).unwrap();
    assert_eq!(found.neurons.clusters(), [(case.ids(&[2])[0], vec![0, 2, 3])].into());
    let clusters = forced.neurons.clusters();
    assert_eq!(clusters.values().map(Vec::len).sum::<usize>(), 4);
    assert_eq!(forced.without_cluster.unwrap(), cluster_losses(&model, &case.task, &clusters, Ablation::Drop).unwrap());
    assert!(forced.directions.blocks.iter().eq(clusters.keys()));
}
