use crate::models;
use irreplens::analysis::{direction_spectra, interpret, neuron_spectrum, representation};
use irreplens::fourier::{CyclicSubgroupBasis, FourierBasis, IrrepBasis};
use irreplens::group::Dihedral;
use irreplens::report::{Axis, Figure, Heat, Line, Marks, Points, Scale, figures};
use irreplens::task::{Split, Task};

fn lines(figure: &Figure) -> &[Line] {
    let (Marks::Lines(lines) | Marks::Bars(lines)) = &figure.marks else { panic!("{} has no lines", figure.title) };
    lines
}

fn heat(figure: &Figure) -> &Heat {
    let Marks::Heat(heat) = &figure.marks else { panic!("{} is no heat map", figure.title) };
    heat
}

#[test]
fn values_are_those_of_the_analyses() {
    let group = Dihedral::new(5).unwrap();
    let net = models::one_layer(10, 3, 7, false, 1);
    let (basis, task) = (CyclicSubgroupBasis::dihedral(&group), Task::new(&group));
    let found = interpret(&net, &basis, &task).unwrap();
    let (names, sectors) = (basis.row_names(), ["rot", "ref"].map(String::from));

    let norms = figures::embedding_norms(&found.embedding);
    let titles: Vec<&str> = norms.iter().map(|figure| figure.title.rsplit(" in ").next().unwrap()).collect();
    assert_eq!(titles, ["W_E_a", "W_E_b", "W_E_a/b", "the maps to neurons", "W_U, sectors apart"]);
    assert_eq!(lines(&norms[0])[0].y, found.embedding.embed_left.as_ref().unwrap().to_vec());
    assert_eq!(lines(&norms[2])[1].y, found.embedding.embed_right.as_ref().unwrap().to_vec());
    let summed = figures::published_unembedding(&found.embedding.components, &found.published).unwrap();
    assert_eq!(lines(&summed)[0].y, found.published.unembed_sum.as_ref().unwrap().to_vec());
    assert_eq!(norms[0].x.names.as_ref().unwrap(), &names);

    let terms = neuron_spectrum(&net, &basis, "hidden", 4).unwrap();
    let regions = figures::neuron_regions(&names, &sectors, "hidden", 4, terms.view());
    assert_eq!(regions[1].title, "hidden activations, neuron 4, region rot, ref");
    assert_eq!(heat(&regions[2]).values, terms.slice(ndarray::s![1, 0, .., ..]));
    let largest = f64::from(terms.iter().fold(0.0f32, |a, b| a.max(b.abs())));
    assert!(regions.iter().all(|figure| heat(figure).limit == Some(largest)), "regions have one colour range");

    let [hidden, logits] = figures::mean_squares(&names, &found.neuron_spectrum, &found.logit_spectrum, true);
    assert_eq!(heat(&hidden).values, found.neuron_spectrum.mean_square_centred().mapv(|v| v as f32));
    assert_eq!(heat(&hidden).limit, heat(&logits).limit);
    assert_eq!(heat(&logits).scale, Scale::Sequential);

    let Marks::Scatter(points) = figures::neuron_fractions(&found.neurons).marks else { panic!() };
    let neuron = &found.neurons.neurons[3];
    assert_eq!(
        (points[0].x[3], points[0].y[3]),
        (neuron.block.unwrap().index() as f64, neuron.fraction_explained.unwrap())
    );

    let ablations = found.ablations();
    assert_eq!(ablations[0].after, found.baseline);
    let bars = figures::ablation_losses(&ablations);
    assert!(bars.y.log && lines(&bars)[0].y[0] == found.baseline.loss);
    assert_eq!(lines(&bars)[0].y.len(), ablations.len());

    let shares = figures::product_shares(&found.directions, &found.neurons.blocks, &sectors).unwrap();
    let expected = found.directions.product_share.as_ref().unwrap();
    assert_eq!(lines(&shares)[1].y[2], expected[[0, 1, 0, 1]].unwrap());

    let irreps = IrrepBasis::new(&group).unwrap();
    let split = Split::random(10, 0.5, 1).unwrap();
    let measures = representation(&net, &group, &irreps, &task, &split).unwrap();
    let energies = figures::irrep_energies(&measures);
    assert_eq!(lines(&energies)[0].y[2], measures.irreps[2].embed_left.unwrap());
    assert_eq!(lines(&figures::trace_similarities(&measures))[0].y[1], measures.irreps[1].trace_similarity.unwrap());
}

/// The squares of a block's directions, over regions and terms, are the energy that `logit_directions` gives.
#[test]
fn direction_components_add_up_to_the_energies() {
    let group = Dihedral::new(5).unwrap();
    let net = models::one_layer(10, 3, 7, false, 2);
    let (basis, task) = (CyclicSubgroupBasis::dihedral(&group), Task::new(&group));
    let found = interpret(&net, &basis, &task).unwrap();
    let (b, sectors) = (found.directions.blocks[0], ["rot", "ref"].map(String::from));
    let rows: Vec<(usize, usize)> = basis.blocks()[b.index()].rows.clone().map(|row| (1, row)).collect();
    let terms = direction_spectra(&net, &basis, &task, &rows).unwrap();
    let pictures = figures::direction_components(&basis, &sectors, &rows, terms.view());
    assert_eq!(pictures[0].1[0].title, format!("Component of logits in direction cos({b}) on region rot, rot"));
    for region in 0..4 {
        let squares = pictures.iter().flat_map(|(_, figures)| heat(&figures[region]).values.clone());
        let sum: f64 = squares.map(|v| f64::from(v).powi(2)).sum();
        let expected = found.directions.energy[[0, region / 2, region % 2, 1]];
        assert!((sum - expected).abs() < 1e-4 * expected, "region {region}: {sum} against {expected}");
    }
}

#[test]
fn diverging_scales_are_centred_on_zero() {
    let values = ndarray::array![[1.0f32, -4.0], [2.0, 0.5]];
    let figure = figures::activation_map("hidden", 0, values.view());
    assert_eq!(figure.title, "hidden activations, neuron 0");
    let json: serde_json::Value = serde_json::from_str(&figure.plotly().to_json()).unwrap();
    let trace = &json["data"][0];
    assert_eq!((trace["zmin"].as_f64(), trace["zmax"].as_f64()), (Some(-4.0), Some(4.0)));
    assert_eq!(trace["z"][0][1].as_f64(), Some(-4.0));
}

#[test]
fn points_stand_at_the_names_of_their_places() {
    let names = ["trivial", "(2,1)", "sign"].map(String::from);
    let points = Points::new("neurons", vec![2.0, 1.0], vec![0.5, 0.25], vec!["a".into(), "b".into()]);
    let figure =
        Figure::new("Irreps", Axis::new("irrep").named(&names), Axis::new("share"), Marks::Scatter(vec![points]));
    let json: serde_json::Value = serde_json::from_str(&figure.plotly().to_json()).unwrap();
    assert_eq!(json["data"][0]["x"], serde_json::json!(["sign", "(2,1)"]));
    assert_eq!(json["data"][0]["y"], serde_json::json!([0.5, 0.25]));
    assert_eq!(json["layout"]["xaxis"]["categoryarray"], serde_json::json!(names));
}
