//! `irreplens verify`: true certificates of every kind hold, and nothing that was changed does, without a panic.

use crate::models::{self, Draw};
use crate::runs::write_run;
use crate::shipped;
use crate::snapshot::program;
use irreplens::analysis::{Certificate, ProvenBy, certify, explain};
use irreplens::checkpoint::{GroupKind, ModelKind, ModelSettings, Run, write_safetensors};
use irreplens::fourier::IrrepBasis;
use irreplens::group::{Cyclic, Elem, Group};
use irreplens::model::{Activation, Architecture, Hooks, Interpretable, Network};
use irreplens::task::Task;
use ndarray::{Array1, Array2};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const ALL: [ProvenBy; 3] = [ProvenBy::Explanation, ProvenBy::Cosets, ProvenBy::BruteForce];

/// A run with a certificate of it.
struct Case {
    folder: TempDir,
    certificate: Certificate,
}

impl Case {
    fn new(network: &Network, group: &Cyclic, by: ProvenBy) -> Self {
        let folder = tempfile::tempdir().unwrap();
        write_network(&folder.path().join("run"), network);
        let certificate = certified(network, group, by);
        certificate.write(folder.path().join("certificate")).unwrap();
        Self { folder, certificate }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The JSON of the certificate.
    fn json(&self) -> Value {
        let text = std::fs::read_to_string(self.path("certificate")).unwrap();
        serde_json::from_str(text.split_once('\n').unwrap().1).unwrap()
    }

    /// What is said of a certificate with this JSON and the digest of it.
    fn with(&self, json: &Value) -> Result<String, String> {
        let body = serde_json::to_string(json).unwrap();
        let text = format!("irreplens certificate 1 {}\n{body}\n", digest(body.as_bytes()));
        std::fs::write(self.path("changed"), text).unwrap();
        said(self.folder.path(), &["changed", "run"])
    }

    #[track_caller]
    fn refused(&self, json: &Value, why: &str) {
        let error = self.with(json).expect_err(why);
        assert!(error.starts_with("error: changed: expected ") && error.contains(why), "{error}");
    }
}

/// What the program says of a certificate: its standard output, or its standard error where it fails as it should.
#[track_caller]
fn said(folder: &Path, arguments: &[&str]) -> Result<String, String> {
    let output = program(folder).arg("verify").args(arguments).output().unwrap();
    let (text, error) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    match output.status.code() {
        Some(0) => Ok(text),
        Some(1) if text.is_empty() && !error.contains("panicked") => Err(error),
        code => panic!("exit code {code:?}: {text}\n{error}"),
    }
}

fn digest(bytes: &[u8]) -> String {
    let step = |hash: u128, byte: &u8| (hash ^ u128::from(*byte)).wrapping_mul(0x0100_0000_0000_0000_0000_013b);
    format!("{:032x}", bytes.iter().fold(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d, step))
}

fn write_network(folder: &Path, network: &Network) {
    std::fs::create_dir_all(folder).unwrap();
    let n = network.parameter("W_U").unwrap().ncols();
    let mut config = write_run(folder, ModelKind::SummedMlp, GroupKind::CyclicGroup, n, 1);
    (config.model, config.layers) = ModelSettings::of(network.architecture());
    config.write(folder.join("cfg.json")).unwrap();
    write_safetensors(folder.join("model.safetensors"), &network.tensors(), &BTreeMap::new()).unwrap();
}

fn certified(network: &Network, group: &dyn Group, by: ProvenBy) -> Certificate {
    let explanation = explain(network, group, &IrrepBasis::new(group).unwrap()).unwrap();
    certify(network, &explanation, &Task::new(group), by).unwrap()
}

/// Neurons that read and write one frequency each, on C11.
fn cosines(function: Activation) -> Network {
    let cosine =
        |x: usize, k: usize, turns: f32| (std::f32::consts::TAU * ((1 + k % 5) as f32 * x as f32 / 11.0 + turns)).cos();
    let embed = Array2::from_shape_fn((11, 60), |(x, k)| cosine(x, k, k as f32 / 60.0));
    let unembed = Array2::from_shape_fn((60, 11), |(k, z)| cosine(z, k, k as f32 / 30.0));
    let weights = [("W_E_a", embed.clone()), ("W_E_b", embed), ("W_U", unembed)];
    Network::with_parameters(Architecture::summed_with(60, function), 11, weights).unwrap()
}

/// Neurons that read x and y modulo 4, and modulo 5, and write their sums there, on C20; with a little noise.
fn remainders() -> Network {
    let mut draw = Draw::new(3);
    let cells: Vec<[usize; 3]> =
        [4, 5].into_iter().flat_map(|m| (0..m * m).map(move |cell| [m, cell / m, cell % m])).collect();
    let mut table = |of: fn([usize; 3]) -> usize, on: f32, off: f32| {
        Array2::from_shape_fn((20, cells.len()), |(x, k)| {
            (if x % cells[k][0] == of(cells[k]) { on } else { off }) + 1e-3 * draw.number()
        })
    };
    let left = table(|[_, i, _]| i, 0.5, -0.6);
    let right = table(|[_, _, j]| j, 0.5, -0.6);
    let unembed = table(|[m, i, j]| (i + j) % m, 1.0, 0.0);
    Network::summed(left, right, unembed.reversed_axes().as_standard_layout().into_owned()).unwrap()
}

/// A network by coset functions, and beside it neurons of a random one.
fn mixed() -> Network {
    let (clean, mut draw) = (remainders(), Draw::new(5));
    let mut wide = |name: &str, axis: usize| {
        let table = clean.parameter(name).unwrap();
        let noise = if axis == 1 { draw.matrix(20, 6) } else { draw.matrix(6, 20) } * 0.05;
        ndarray::concatenate(ndarray::Axis(axis), &[table, noise.view()]).unwrap()
    };
    let (left, right, out) = (wide("W_E_a", 1), wide("W_E_b", 1), wide("W_U", 0));
    Network::summed(left, right, out).unwrap().with_output_bias(Array1::from_elem(20, 0.25)).unwrap()
}

fn ways(certificate: &Certificate) -> BTreeMap<&str, usize> {
    let mut ways = BTreeMap::new();
    certificate.neurons.iter().for_each(|method| *ways.entry(method.name()).or_default() += 1);
    ways
}

#[test]
fn true_certificates_hold() {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let (c11, c20) = (Cyclic::new(11).unwrap(), Cyclic::new(20).unwrap());
    let networks = [
        ("relu", cosines(Activation::Relu), &c11),
        ("square", cosines(Activation::Square), &c11),
        ("identity", cosines(Activation::Identity), &c11),
        ("cosets", remainders(), &c20),
        ("mixed", mixed(), &c20),
        ("random", models::one_layer(11, 3, 6, false, 4), &c11),
        ("bilinear", models::bilinear(11, 5, 6), &c11),
    ];
    for (name, network, group) in &networks {
        for by in ALL {
            let case = Case::new(network, group, by);
            let found = &case.certificate;
            let text =
                said(case.folder.path(), &["certificate", "run"]).unwrap_or_else(|e| panic!("{name} {by:?}: {e}"));
            let line = format!("{} of {} pairs are proven", found.proven(), found.margins.len());
            assert!(text.contains(&line), "{name} {by:?}: {text}");
            let proven = found.margins.iter().filter(|margin| **margin > 2.0 * found.single_error).count();
            assert!(text.contains(&format!("at most, {proven}: accuracy")), "{text}");
            if found.proven() > 0 {
                ways(found).into_iter().for_each(|(way, count)| *seen.entry(way.into()).or_default() += count);
            }
            if *name != "random" && *name != "bilinear" && (by, *name) != (ProvenBy::Cosets, "mixed") {
                let all = by != ProvenBy::Cosets || *name == "cosets";
                let right = found.accuracy() > if *name == "identity" { -1.0 } else { 0.99 };
                assert!(!all || right, "{name} {by:?}: {:?} {}", ways(found), found.accuracy());
            }
        }
    }
    assert_eq!(seen.keys().collect::<Vec<_>>(), ["bounded", "exact", "read", "written"], "{seen:?}");
}

#[test]
fn the_shipped_network() {
    let folder = tempfile::tempdir().unwrap();
    let run = Run::open(shipped()).unwrap();
    let (network, group) = (run.network().unwrap(), run.group().unwrap());
    let found = certified(&network, &group, ProvenBy::Explanation);
    found.write(folder.path().join("D53")).unwrap();
    let text = said(folder.path(), &["D53", "--json", "-"]).unwrap();
    let json: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["proven"], found.proven());
    assert!(found.accuracy() > 0.99 && json["single_error_derived"].as_f64().unwrap() <= found.single_error);
    // One bit of one weight.
    let run = folder.path().join("run");
    let mut changed = network.clone();
    let weight = &mut changed.parameters_mut()[12345];
    *weight = f32::from_bits(weight.to_bits() ^ 1);
    std::fs::create_dir(&run).unwrap();
    std::fs::copy(shipped().join("cfg.json"), run.join("cfg.json")).unwrap();
    write_safetensors(run.join("model.safetensors"), &changed.tensors(), &BTreeMap::new()).unwrap();
    let error = said(folder.path(), &["D53", "run"]).unwrap_err();
    assert!(error.starts_with("error: D53: expected weights with the digest "), "{error}");
}

#[test]
fn other_networks_and_groups_are_refused() {
    let case = Case::new(&remainders(), &Cyclic::new(20).unwrap(), ProvenBy::Cosets);
    let mut changed = remainders();
    let last = changed.parameters_mut().last_mut().unwrap();
    *last = f32::from_bits(last.to_bits() ^ 1);
    write_network(&case.path("run"), &changed);
    let error = said(case.folder.path(), &["certificate", "run"]).unwrap_err();
    assert!(error.starts_with("error: certificate: expected weights with the digest "), "{error}");

    let two_layers = models::two_layer(20, 3, 5, 1);
    write_network(&case.path("two"), &two_layers);
    let mut json = case.json();
    json["weights"] = Value::String(digest_of(&two_layers));
    let body = serde_json::to_string(&json).unwrap();
    std::fs::write(case.path("two.cert"), format!("irreplens certificate 1 {}\n{body}\n", digest(body.as_bytes())))
        .unwrap();
    let error = said(case.folder.path(), &["two.cert", "two"]).unwrap_err();
    assert!(
        error.contains("two.cert: expected a network with one hidden layer, and at its step `hidden_pre`"),
        "{error}"
    );

    for (key, why) in [("group", "expected the group C20"), ("group_fingerprint", "a group with the fingerprint")] {
        let mut json = case.json();
        json[key] = "C4".into();
        write_network(&case.path("run"), &remainders());
        case.refused(&json, why);
    }
    let error = said(case.folder.path(), &["nowhere", "run"]).unwrap_err();
    assert!(error.starts_with("error: nowhere: cannot be read"), "{error}");
}

fn digest_of(network: &Network) -> String {
    let bytes = network.parameters().iter().flat_map(|v| v.to_le_bytes());
    digest(&bytes.chain(network.architecture().to_string().into_bytes()).collect::<Vec<_>>())
}

/// All margins of a network with one sum and a ReLU, in double precision.
fn margins(network: &Network) -> Array2<f64> {
    let [left, right, out] = ["W_E_a", "W_E_b", "W_U"].map(|name| network.parameter(name).unwrap().mapv(f64::from));
    let n = out.ncols();
    Array2::from_shape_fn((n, n), |(x, y)| {
        let logits = (&left.row(x) + &right.row(y)).mapv(|v| v.max(0.0)).dot(&out);
        let p = (x + y) % n;
        logits[p] - (0..n).filter(|&z| z != p).map(|z| logits[z]).fold(f64::MIN, f64::max)
    })
}

#[test]
fn claims_above_the_truth_are_refused() {
    for (network, group) in
        [(cosines(Activation::Relu), Cyclic::new(11).unwrap()), (remainders(), Cyclic::new(20).unwrap())]
    {
        let (n, truth) = (group.order(), margins(&network));
        for by in ALL {
            let case = Case::new(&network, &group, by);
            for (i, more) in [(0, 1e-7), (7, 1e-3), (n * n - 1, 10.0), (n + 3, 1e9)] {
                let mut json = case.json();
                json["margins"]["data"][i] = (truth[[i / n, i % n]] + more).into();
                case.refused(&json, &format!("a margin at the pair ({}, {})", i / n, i % n));
            }
            let mut json = case.json();
            json["single_error"] = (case.certificate.single_error / 10.0).into();
            case.refused(&json, "an error of f32 that is shown");
        }
    }
}

/// Neurons with biases that cancel in the logits, and not in the rounding of these.
fn cancelling() -> Network {
    let mut draw = Draw::new(4);
    let (left, right, weight, half) = (draw.matrix(11, 3), draw.matrix(11, 3), draw.matrix(6, 6), draw.matrix(3, 11));
    let out = ndarray::concatenate(ndarray::Axis(0), &[half.view(), half.mapv(|v| -v).view()]).unwrap();
    Network::one_layer(left, right, weight, Some(Array1::from_elem(6, 1e6)), out).unwrap()
}

/// How far a forward pass in `f32` is from one in double precision: the largest difference of two logits.
fn single_error(network: &Network) -> f64 {
    let parameter = |name: &str| network.parameter(name).unwrap().mapv(f64::from);
    let [left, right, weight, bias, out] = ["W_E_a", "W_E_b", "W", "b", "W_U"].map(parameter);
    let (n, e) = left.dim();
    let pairs: Vec<_> = (0..n * n).map(|i| (Elem::new(i / n), Elem::new(i % n))).collect();
    let cache = network.run_with_hooks(&pairs, &Hooks::none(), &["logits"]).unwrap();
    let of_pair = |(pair, got): (usize, ndarray::ArrayView1<f32>)| {
        let (x, y) = (left.row(pair / n), right.row(pair % n));
        let pre = x.dot(&weight.slice(ndarray::s![..e, ..])) + y.dot(&weight.slice(ndarray::s![e.., ..]));
        let logits = (pre.mapv(|v| v.max(0.0)) + bias.row(0)).dot(&out);
        logits.iter().zip(got).map(|(a, b)| (a - f64::from(*b)).abs()).fold(0.0, f64::max)
    };
    cache.get("logits").unwrap().rows().into_iter().enumerate().map(of_pair).fold(0.0, f64::max)
}

#[test]
fn an_error_below_that_of_a_forward_pass_is_refused() {
    let group = Cyclic::new(11).unwrap();
    for network in [cancelling(), models::one_layer(11, 4, 30, true, 3)] {
        let (case, there) = (Case::new(&network, &group, ProvenBy::BruteForce), single_error(&network));
        assert!(there > 0.0);
        let mut json = case.json();
        json["single_error"] = there.into();
        case.refused(&json, "an error of f32 that is shown");
        json["single_error"] = 1e30.into();
        case.with(&json).unwrap();
    }
    // Beyond the range of f32, every error is too small.
    let case = Case::new(&cosines(Activation::Square), &group, ProvenBy::BruteForce);
    let mut large = cosines(Activation::Square);
    large.parameters_mut().iter_mut().take(2 * 11 * 60).for_each(|v| *v *= 1e25);
    write_network(&case.path("run"), &large);
    let mut json = case.json();
    json["weights"] = digest_of(&large).into();
    json["single_error"] = 1e300.into();
    case.refused(&json, "within the range of f32");
}

#[test]
fn claims_of_what_a_proof_does_not_show_are_refused() {
    let case = Case::new(&remainders(), &Cyclic::new(20).unwrap(), ProvenBy::Cosets);
    let mut json = case.json();
    json["neurons"].as_array_mut().unwrap().iter_mut().for_each(|neuron| *neuron = "bounded".into());
    case.refused(&json, "a margin at the pair (0, 0)");
    // A function that is no function of the network's, with nine tenths of what is true claimed of it: less is shown.
    let mut json = case.json();
    let true_margins = Case::new(&remainders(), &Cyclic::new(20).unwrap(), ProvenBy::BruteForce).certificate.margins;
    let data = json["margins"]["data"].as_array_mut().unwrap();
    data.iter_mut().zip(&true_margins).for_each(|(margin, there)| *margin = (0.9 * there).into());
    case.with(&json).unwrap();
    let values = &mut json["neurons"][0]["read"]["left"]["values"];
    values.as_array_mut().unwrap().iter_mut().for_each(|v| *v = 3.0.into());
    case.refused(&json, "a margin at the pair");
}

/// A JSON number in a certificate's neurons or functions, changed to what may do harm; whether there was one.
fn disturb(value: &mut Value, choice: &mut impl FnMut(usize) -> usize) -> bool {
    match value {
        Value::Array(all) if !all.is_empty() => {
            let i = choice(all.len());
            disturb(&mut all[i], choice)
        }
        Value::Object(all) if !all.is_empty() => {
            let i = choice(all.len());
            all.values_mut().nth(i).is_some_and(|value| disturb(value, choice))
        }
        Value::Number(_) => {
            let values =
                ["0", "-1", "1", "2.5", "1e308", "-1e308", "5e-324", "1e-310", "4294967295", "4294967296", "7"];
            *value = serde_json::from_str(values[choice(values.len())]).unwrap();
            true
        }
        _ => false,
    }
}

#[test]
fn any_numbers_in_a_proof_show_what_is_true_or_nothing() {
    let (c11, c20) = (Cyclic::new(11).unwrap(), Cyclic::new(20).unwrap());
    let cases = [
        Case::new(&cosines(Activation::Relu), &c11, ProvenBy::Explanation),
        Case::new(&remainders(), &c20, ProvenBy::Cosets),
        Case::new(&mixed(), &c20, ProvenBy::Explanation),
    ];
    let mut draw = Draw::new(8);
    let mut choice = |below: usize| ((draw.number().abs() * 1e5) as usize) % below;
    for case in &cases {
        let (mut held, mut refused) = (0, 0);
        for _ in 0..60 {
            let mut json = case.json();
            let part = ["neurons", "functions", "neurons"][choice(3)];
            if disturb(&mut json[part], &mut choice) {
                // Claims are those of the true certificate, and true: either verdict is sound, a panic is none.
                match case.with(&json) {
                    Ok(_) => held += 1,
                    Err(error) => {
                        assert!(error.starts_with("error: changed: expected "), "{error}");
                        refused += 1;
                    }
                }
            }
        }
        assert!(held + refused > 10, "{held} held, {refused} refused");
    }
}

#[test]
fn what_is_no_certificate_is_refused() {
    let case = Case::new(&remainders(), &Cyclic::new(20).unwrap(), ProvenBy::Cosets);
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut json = case.json();
        change(&mut json);
        json
    };
    for (json, why) in [
        (changed(&|json| json["more"] = 1.into()), "unknown field `more`"),
        (changed(&|json| drop(json.as_object_mut().unwrap().remove("by"))), "missing field `by`"),
        (changed(&|json| json["margins"]["dim"] = serde_json::json!([400, 1])), "expected margins in 20 columns"),
        (changed(&|json| json["margins"]["dim"] = serde_json::json!([20, 21])), "expected margins in 20 columns"),
        (
            changed(&|json| json["margins"]["dim"] = serde_json::json!([1u64 << 63, 20])),
            "expected margins in 20 columns",
        ),
        (changed(&|json| json["margins"]["v"] = 2.into()), "version 1, got version 2"),
        (changed(&|json| json["margins"]["data"][0] = Value::Null), "expected the JSON of a certificate"),
        (changed(&|json| json["single_error"] = (-1.0).into()), "an error of f32 from 0 up"),
        (changed(&|json| drop(json["neurons"].as_array_mut().unwrap().pop())), "expected 41 neurons, got 40"),
        (changed(&|json| json["neurons"][0] = "exact".into()), "by cosets alone"),
        (changed(&|json| json["by"] = "brute_force".into()), "by running every pair alone"),
        (changed(&|json| json["neurons"][0]["read"]["left"]["class_of"][3] = 99.into()), "got class 99"),
        (changed(&|json| drop(json["neurons"][0]["read"]["left"]["class_of"].as_array_mut().unwrap().pop())), "got 19"),
        (
            changed(&|json| {
                json["by"] = "explanation".into();
                json["neurons"][0] = serde_json::json!({ "written": [{ "functions": 9, "coefficients": [] }] });
            }),
            "got functions 9",
        ),
        (
            changed(&|json| {
                json["by"] = "explanation".into();
                json["functions"] = serde_json::json!([{ "v": 1, "dim": [1, 20], "data": vec![1.0; 20] }]);
                json["neurons"][0] = serde_json::json!({ "written": [{ "functions": 0, "coefficients": [1, 2] }] });
            }),
            "expected 1 coefficients of neuron 0 along functions 0, got 2",
        ),
    ] {
        case.refused(&json, why);
    }
    let text = std::fs::read_to_string(case.path("certificate")).unwrap();
    for (text, why) in [
        (String::new(), "no end of it"),
        ("{}\n".into(), "`irreplens certificate 1 DIGEST`"),
        (text.replacen("certificate 1", "certificate 2", 1), "`irreplens certificate 1 DIGEST`"),
        (text.trim_end().into(), "a last line that ends"),
        (format!("{text}\n"), "bytes with the digest"),
    ] {
        std::fs::write(case.path("changed"), text).unwrap();
        let error = said(case.folder.path(), &["changed", "run"]).unwrap_err();
        assert!(error.starts_with("error: changed: expected ") && error.contains(why), "{error}");
    }
}

#[test]
fn no_byte_can_be_changed() {
    let case = Case::new(&remainders(), &Cyclic::new(20).unwrap(), ProvenBy::Cosets);
    let bytes = std::fs::read(case.path("certificate")).unwrap();
    let mut draw = Draw::new(9);
    let mut choice = |below: usize| ((f64::from(draw.number().abs()) * 1e9) as usize) % below;
    for i in 0..300 {
        let mut changed = bytes.clone();
        // The first line as often as all others.
        let place = choice(if i % 3 == 0 { 58 } else { bytes.len() });
        changed[place] ^= 1 + choice(255) as u8;
        std::fs::write(case.path("changed"), &changed).unwrap();
        let error = said(case.folder.path(), &["changed", "run"]).expect_err("a changed byte is seen");
        assert!(error.starts_with("error: changed: expected "), "{error}");
    }
}
