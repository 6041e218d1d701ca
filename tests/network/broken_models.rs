//! The law kit against models that are deliberately broken.

use irreplens::fourier::FourierBasis;
use irreplens::laws::model::{
    cache_equals_forward, check, logit_shift, neuron_function, neuron_path, no_op_hook, readout_is_logits, separable,
    sites, streams, unknown_site,
};
use irreplens::model::{
    Activation, ActivationCache, BlockEnergies, Combiner, Evaluation, ForwardPass, Hook, Hooks, Interpretable, Network,
    NeuronFunction, Readout, Separable, Site, SiteSpectrum, Values,
};
use irreplens::task::{Pair, Task};
use irreplens::{Error, Result};
use ndarray::{Array1, Array2, Array3, ArrayView1, ArrayView2};
use std::ops::Range;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    // sites
    TwiceTheSameSite,
    NoLogits,
    NeuronSiteAbsent,
    ReadoutSiteAbsent,
    ShortEmbedding,
    // cache equals forward
    ForwardOfItsOwn,
    KeepsMore,
    KeepsAnother,
    Batch,
    Fails,
    // hooks
    ScalesByOneTwice,
    IgnoresHooks,
    IgnoresUnkeptHooks,
    IgnoresChannels,
    HooksReachBack,
    // unknown site
    AcceptsAnything,
    AcceptsColumns,
    AcceptsTasks,
    // readout
    AnotherUnembedding,
    UnembeddingTransposed,
    UnembeddingOfTheDeadNeuron,
    NarrowUnembedding,
    BiasOfItsOwn,
    LongBias,
    ReadoutOfLogitsOfAnotherOrder,
    // neuron path
    PathTransposed,
    ShortPath,
    // streams
    Evaluate,
    Accuracy,
    EvaluateWithoutHooks,
    Columns,
    ColumnsOfTheFirst,
    Spectrum,
    SpectrumSplit,
    BlockEnergies,
    AlongExchanged,
    CoefficientsOfOneSector,
    // separable
    Exchanged,
    WrongCombiner,
    WrongSite,
    ShortMap,
    // neuron function
    WrongFunction,
    // logit shift
    LogitsAsTheyAre,
}

/// The neuron that is 0 at every pair.
const DEAD: usize = 5;

/// An output bias that the network does not have.
const BIAS: [f32; 7] = [0.01; 7];

struct Broken {
    net: Network,
    fault: Fault,
    wrong: Array2<f32>,
}

fn broken(fault: Fault) -> Broken {
    let wave = |rows, columns, phase: usize| {
        Array2::from_shape_fn((rows, columns), |(i, j)| (((i + phase) * (i + 5) * 7 + j * j * 3 + j) as f32).sin())
    };
    // As many neurons as elements, so that shapes alone tell nothing.
    let [mut left, mut right, unembed] = [1, 2, 3].map(|phase| wave(6, 6, phase));
    for embed in [&mut left, &mut right] {
        embed.column_mut(DEAD).fill(-1.0);
    }
    let mut wrong = if fault == Fault::UnembeddingOfTheDeadNeuron { unembed.clone() } else { wave(6, 6, 4) };
    wrong.row_mut(DEAD).fill(0.5);
    Broken { net: Network::summed(left, right, unembed).unwrap(), fault, wrong }
}

impl Broken {
    fn is(&self, fault: Fault) -> bool {
        self.fault == fault
    }
}

impl Interpretable for Broken {
    fn order(&self) -> usize {
        6
    }
    fn sites(&self) -> Vec<Site> {
        let mut sites = self.net.sites();
        match self.fault {
            Fault::TwiceTheSameSite => sites.insert(0, Site::new("hidden", 6)),
            Fault::NoLogits => drop(sites.pop()),
            _ => {}
        }
        sites
    }
    fn neuron_site(&self) -> &str {
        if self.is(Fault::NeuronSiteAbsent) { "neurons" } else { "hidden" }
    }
    fn run_with_hooks(&self, pairs: &[Pair], hooks: &Hooks, keep: &[&str]) -> Result<ActivationCache> {
        match self.fault {
            Fault::Fails => return Err(Error::Unsupported { analysis: "run_with_hooks", needs: "a better model" }),
            Fault::IgnoresHooks => {
                ForwardPass::new(self, pairs, hooks, keep)?;
                return self.net.run_with_cache(pairs, keep);
            }
            Fault::IgnoresUnkeptHooks if keep == ["logits"] && !hooks.touch("logits") => {
                ForwardPass::new(self, pairs, hooks, keep)?;
                return self.net.run_with_cache(pairs, keep);
            }
            Fault::AcceptsAnything => {
                let known: Vec<&str> =
                    keep.iter().copied().filter(|k| self.sites().iter().any(|s| s.name == *k)).collect();
                return match self.net.run_with_hooks(pairs, hooks, &known) {
                    Err(_) => self.net.run_with_cache(pairs, &known),
                    ok => ok,
                };
            }
            Fault::KeepsMore if !keep.is_empty() => {
                return self.net.run_with_hooks(pairs, hooks, &[keep, &["hidden"]].concat());
            }
            Fault::ScalesByOneTwice if hooks.touch("hidden_pre") => {
                let more = Hooks::none().with(Hook::add("hidden_pre", Values::PerChannel(Array1::ones(6))));
                let more = hooks.iter().fold(more, |all, hook| all.with(hook.clone()));
                return self.net.run_with_hooks(pairs, &more, keep);
            }
            Fault::IgnoresChannels if hooks.touch("hidden") => {
                let all =
                    hooks.iter().fold(Hooks::none(), |all, hook| all.with(hook.clone().on_channels((0..6).collect())));
                return self
                    .net
                    .run_with_hooks(pairs, &all, keep)
                    .or_else(|_| self.net.run_with_hooks(pairs, hooks, keep));
            }
            Fault::HooksReachBack if hooks.touch("logits") && keep.len() > 1 => {
                let changed = self.net.run_with_hooks(pairs, hooks, &["logits"])?.take("logits")?;
                let factor = if changed == self.net.forward(pairs)? { 1.0 } else { 1.5 };
                let more = hooks.iter().fold(Hooks::none(), |all, hook| all.with(hook.clone()));
                return self.net.run_with_hooks(pairs, &more.with(Hook::scale("embed_left", factor)), keep);
            }
            _ => {}
        }
        let mut pass = ForwardPass::new(self, pairs, hooks, keep)?;
        let mut cache = self.net.run_with_cache(pairs, &["embed_left", "embed_right"])?;
        let left = pass.visit("embed_left", cache.take("embed_left")?)?;
        let right = pass.visit("embed_right", cache.take("embed_right")?)?;
        let mut pre = &left + &right;
        if self.is(Fault::KeepsAnother) && keep.len() == 1 {
            pre += 0.01;
        }
        if self.is(Fault::Batch) && pairs.len() > 2 {
            // As batch normalisation would.
            let mean = pre.mean_axis(ndarray::Axis(0)).unwrap();
            pre -= &mean;
        }
        let pre = pass.visit("hidden_pre", pre)?;
        let hidden = pass.visit("hidden", pre.mapv(|v| v.max(0.0)))?;
        pass.visit("logits", self.net.readout().logits(hidden.view())?)?;
        Ok(pass.finish())
    }
    fn readout(&self) -> Readout<'_> {
        let readout = self.net.readout();
        let unembedding = readout.unembedding().unwrap();
        let bias = |len| readout.with_bias(ArrayView1::from(&BIAS[..len]));
        match self.fault {
            Fault::ReadoutSiteAbsent => Readout::new("final", unembedding),
            Fault::AnotherUnembedding | Fault::UnembeddingOfTheDeadNeuron => Readout::new("hidden", self.wrong.view()),
            Fault::UnembeddingTransposed => Readout::new("hidden", unembedding.reversed_axes()),
            Fault::NarrowUnembedding => Readout::new("hidden", unembedding.slice_move(ndarray::s![.., ..5])),
            Fault::BiasOfItsOwn => bias(6),
            Fault::LongBias => bias(7),
            Fault::ReadoutOfLogitsOfAnotherOrder => Readout::of_logits(5),
            _ => readout,
        }
    }
    fn forward(&self, pairs: &[Pair]) -> Result<Array2<f32>> {
        let logits = self.run_with_cache(pairs, &["logits"])?.take("logits")?;
        Ok(if self.is(Fault::ForwardOfItsOwn) { logits + 0.01 } else { logits })
    }
    fn embeddings(&self) -> Option<(ArrayView2<'_, f32>, ArrayView2<'_, f32>)> {
        let (left, right) = self.net.embeddings()?;
        Some(if self.is(Fault::ShortEmbedding) {
            (left, right.slice_move(ndarray::s![..5, ..]))
        } else {
            (left, right)
        })
    }
    fn neuron_path(&self) -> Option<ArrayView2<'_, f32>> {
        let path = self.net.neuron_path()?;
        Some(match self.fault {
            Fault::PathTransposed => path.reversed_axes(),
            Fault::ShortPath => path.slice_move(ndarray::s![..5, ..]),
            _ => path,
        })
    }
    fn as_separable(&self) -> Option<&dyn Separable> {
        Some(self)
    }
    fn evaluate(&self, task: &Task, hooks: &Hooks) -> Result<Evaluation> {
        if self.is(Fault::AcceptsTasks) && task.order() != 6 {
            return Ok(Evaluation::new(0.0, 0.0));
        }
        let mut evaluation = self.net.evaluate(task, hooks)?;
        if self.is(Fault::EvaluateWithoutHooks) {
            evaluation = self.net.evaluate(task, &Hooks::none())?;
        }
        match self.fault {
            Fault::Evaluate => evaluation.loss *= 36.0,
            Fault::Accuracy => evaluation.accuracy += 1.0 / 36.0,
            _ => {}
        }
        Ok(evaluation)
    }
    fn neuron_columns(&self, site: &str, range: Range<usize>) -> Result<Array3<f32>> {
        match self.fault {
            Fault::AcceptsColumns if range.end > 6 => Ok(Array3::zeros((6, 6, range.len()))),
            Fault::Columns => Ok(self.net.neuron_columns(site, range)?.permuted_axes([1, 0, 2])),
            Fault::ColumnsOfTheFirst if range.end <= 6 => self.net.neuron_columns(site, 0..range.len()),
            _ => self.net.neuron_columns(site, range),
        }
    }
    fn logits_along(&self, pairs: &[Pair], directions: ArrayView2<'_, f32>) -> Result<Array2<f32>> {
        let exchanged: Vec<Pair> = pairs.iter().map(|&(x, y)| (y, x)).collect();
        let pairs = if self.is(Fault::AlongExchanged) { &exchanged } else { pairs };
        self.net.logits_along(pairs, directions)
    }
    fn coefficients_along_y(&self, site: &str, basis: &dyn FourierBasis, rows: &[usize]) -> Result<Array3<f32>> {
        let mut coefficients = self.net.coefficients_along_y(site, basis, rows)?;
        if self.is(Fault::CoefficientsOfOneSector) {
            coefficients.slice_mut(ndarray::s![.., rows.len().., ..]).fill(0.0);
        }
        Ok(coefficients)
    }
    fn spectrum(&self, site: &str, basis: &dyn FourierBasis) -> Result<SiteSpectrum> {
        let mut spectrum = self.net.spectrum(site, basis)?;
        match self.fault {
            Fault::Spectrum => std::mem::swap(&mut spectrum.by_block.linear_x, &mut spectrum.by_block.linear_y),
            Fault::SpectrumSplit => spectrum.split = spectrum.split.shares().unwrap(),
            _ => {}
        }
        Ok(spectrum)
    }
    fn block_energies(&self, site: &str, basis: &dyn FourierBasis) -> Result<BlockEnergies> {
        let mut energies = self.net.block_energies(site, basis)?;
        if self.is(Fault::BlockEnergies) {
            energies.product += &energies.linear_x;
        }
        Ok(energies)
    }
    fn neuron_and_logit_spectra(&self, basis: &dyn FourierBasis) -> Result<(SiteSpectrum, SiteSpectrum)> {
        match self.fault {
            Fault::LogitsAsTheyAre => Ok((self.net.spectrum("hidden", basis)?, self.net.spectrum("logits", basis)?)),
            _ => self.net.neuron_and_logit_spectra(basis),
        }
    }
}

impl Separable for Broken {
    fn left(&self) -> ArrayView2<'_, f32> {
        match self.fault {
            Fault::Exchanged => self.net.right(),
            Fault::ShortMap => self.net.left().slice_move(ndarray::s![..5, ..]),
            _ => self.net.left(),
        }
    }
    fn right(&self) -> ArrayView2<'_, f32> {
        if self.is(Fault::Exchanged) { self.net.left() } else { self.net.right() }
    }
    fn combiner(&self) -> Combiner {
        if self.is(Fault::WrongCombiner) { Combiner::Product } else { Combiner::Sum }
    }
    fn separable_site(&self) -> &str {
        if self.is(Fault::WrongSite) { "hidden" } else { "hidden_pre" }
    }
    fn neuron_function(&self) -> Option<NeuronFunction<'_>> {
        let right = self.net.neuron_function()?;
        Some(if self.is(Fault::WrongFunction) { NeuronFunction { function: Activation::Tanh, ..right } } else { right })
    }
}

/// The law that `check` names first.
fn caught(law: &str, faults: &[Fault]) {
    for &fault in faults {
        let violation = check(&broken(fault)).unwrap_err();
        assert_eq!(violation.law, law, "{fault:?}: {violation}");
    }
}

#[test]
fn the_model_is_sound() {
    assert_eq!(check(&broken(Fault::None)), Ok(()));
}

#[test]
fn sites_that_are_no_list_of_sites() {
    use Fault::*;
    caught("sites", &[TwiceTheSameSite, NoLogits, NeuronSiteAbsent, ReadoutSiteAbsent, ShortEmbedding]);
    let violation = sites(&broken(TwiceTheSameSite)).unwrap_err();
    assert_eq!(violation.to_string(), "law `sites` fails at \"hidden\": 0 against 4");
    // No other law panics.
    for fault in [TwiceTheSameSite, NoLogits, NeuronSiteAbsent, ReadoutSiteAbsent, ShortEmbedding] {
        for law in [cache_equals_forward, no_op_hook, unknown_site, readout_is_logits, neuron_path, streams, separable]
        {
            let law: fn(&Broken) -> _ = law;
            assert_eq!(law(&broken(fault)).unwrap_err().law, "sites");
        }
    }
}

#[test]
fn passes_that_disagree() {
    use Fault::*;
    caught("cache equals forward", &[ForwardOfItsOwn, KeepsMore, KeepsAnother, Batch, Fails]);
    let violation = cache_equals_forward(&broken(Fails)).unwrap_err();
    assert_eq!(violation.left, "error: run_with_hooks needs a better model");
}

#[test]
fn hooks_that_do_something_else() {
    use Fault::*;
    caught("no-op hook", &[ScalesByOneTwice]);
    caught("honoured hook", &[IgnoresHooks, IgnoresUnkeptHooks, IgnoresChannels, HooksReachBack]);
    assert_eq!(no_op_hook(&broken(IgnoresHooks)).unwrap_err().law, "honoured hook");
}

#[test]
fn answers_to_impossible_questions() {
    use Fault::*;
    caught("unknown site", &[AcceptsAnything, AcceptsColumns, AcceptsTasks]);
    let violation = unknown_site(&broken(AcceptsAnything)).unwrap_err();
    assert_eq!(
        violation.to_string(),
        "law `unknown site` fails at keeping an unknown site: \"answered\" against \"an error\""
    );
}

#[test]
fn readouts_of_something_else() {
    use Fault::*;
    caught("readout is logits", &[AnotherUnembedding, UnembeddingTransposed, NarrowUnembedding, BiasOfItsOwn]);
    caught("readout is logits", &[UnembeddingOfTheDeadNeuron, LongBias, ReadoutOfLogitsOfAnotherOrder]);
    let violation = readout_is_logits(&broken(LongBias)).unwrap_err();
    assert_eq!(violation.left, "error: output bias: expected shape [6], got [7]");
}

#[test]
fn paths_of_something_else() {
    use Fault::*;
    caught("neuron path", &[PathTransposed, ShortPath]);
    assert_eq!(neuron_path(&broken(ShortPath)).unwrap_err().witness, "\"shape\"");
}

#[test]
fn streams_of_something_else() {
    use Fault::*;
    caught(
        "streams",
        &[Evaluate, Accuracy, EvaluateWithoutHooks, Columns, ColumnsOfTheFirst, Spectrum, SpectrumSplit, BlockEnergies],
    );
    caught("streams", &[AlongExchanged, CoefficientsOfOneSector]);
    assert_eq!(streams(&broken(Evaluate)).unwrap_err().witness, "loss, no hook");
}

#[test]
fn maps_of_something_else() {
    use Fault::*;
    caught("separable", &[Exchanged, WrongCombiner, WrongSite, ShortMap]);
    assert_eq!(separable(&broken(Exchanged)).unwrap_err().law, "separable");
    caught("neuron function", &[WrongFunction]);
    assert_eq!(neuron_function(&broken(WrongFunction)).unwrap_err().law, "neuron function");
}

#[test]
fn spectra_of_what_no_softmax_sees() {
    caught("logit shift", &[Fault::LogitsAsTheyAre]);
    let violation = logit_shift(&broken(Fault::LogitsAsTheyAre)).unwrap_err();
    assert!(violation.witness.starts_with("energy of class"), "{violation}");
}
