//! Random descriptions of networks, built from a list of choices.

use irreplens::model::{Activation, Architecture, Layout, Network, Operation, Token};

/// Takes the next choice below a bound.
struct Choices<'a> {
    left: &'a [u32],
}

impl Choices<'_> {
    fn below(&mut self, bound: usize) -> usize {
        match self.left.split_first() {
            None => 0,
            Some((first, rest)) => {
                self.left = rest;
                *first as usize % bound
            }
        }
    }
}

/// A value that is there: name, positions, width.
type There = (String, usize, usize);

/// A description made of `choices`: an embedding, some steps of every kind as they come, an unembedding.
pub fn description(choices: &[u32]) -> Architecture {
    let mut choices = Choices { left: choices };
    let mut net = Architecture::new();
    let positions = 1 + choices.below(3);
    let width = 2 + choices.below(5);
    let mut there: Vec<There> = Vec::new();
    if positions == 1 {
        net = net.embed("left", Token::Left, "E_a", width).embed("right", Token::Right, "E_b", width);
        there.extend([("left".into(), 1, width), ("right".into(), 1, width)]);
    } else {
        let all = [Token::Left, Token::Right, Token::Constant(0)];
        net = net.embed_sequence("tokens", &all[..positions], "W_E", width);
        let table = "W_pos".into();
        net = net.step("positions", Operation::Positions { table, positions, width, rows: 0 });
        net = net.sum("stream", ["tokens", "positions"]);
        there.push(("stream".into(), positions, width));
    }
    let mut count = 0;
    while !choices.left.is_empty() && count < 12 {
        count += 1;
        let (input, positions, width) = there[choices.below(there.len())].clone();
        let name = format!("step{count}");
        let parameter = |what: &str| format!("{what}{count}");
        let like: Vec<There> = there.iter().filter(|t| (t.1, t.2) == (positions, width)).cloned().collect();
        let other = like[choices.below(like.len())].0.clone();
        let (operation, shape) = match choices.below(8) {
            0 => {
                let out = 2 + choices.below(5);
                let bias = (choices.below(2) == 0).then(|| parameter("b"));
                let layout = if choices.below(3) == 0 { Layout::Transposed } else { Layout::Plain };
                (Operation::Linear { input, weight: parameter("W"), bias, width: out, layout }, (positions, out))
            }
            1 => (Operation::Sum { inputs: vec![input, other] }, (positions, width)),
            2 => (Operation::Product { inputs: vec![input, other] }, (positions, width)),
            3 if 2 * width < 20 => (Operation::Concatenate { inputs: vec![input, other] }, (positions, 2 * width)),
            4 | 5 => {
                let function = Activation::ALL[choices.below(Activation::ALL.len())];
                let bias = (choices.below(3) == 0).then(|| parameter("b"));
                (Operation::Activate { input, function, bias }, (positions, width))
            }
            6 => {
                let (heads, of_head) = (1 + choices.below(3), 1 + choices.below(3));
                let out = heads * of_head;
                for part in ["q", "k", "v"] {
                    let (weight, bias) = (parameter(&format!("W_{part}")), Some(parameter(&format!("b_{part}"))));
                    let (input, layout) = (input.clone(), Layout::HeadsOut { heads });
                    let linear = Operation::Linear { input, weight, bias, width: out, layout };
                    net = net.step(format!("{name}_{part}"), linear);
                }
                let [q, k, v] = ["q", "k", "v"].map(|part| format!("{name}_{part}"));
                let (scores, pattern, z) = (format!("{name}_scores"), format!("{name}_pattern"), format!("{name}_z"));
                net = net
                    .step(scores.clone(), Operation::Scores { query: q, key: k, heads })
                    .step(pattern.clone(), Operation::Softmax { scores })
                    .step(z.clone(), Operation::Mix { pattern, value: v });
                let (weight, layout) = (parameter("W_O"), Layout::HeadsIn { heads });
                net =
                    net.step(format!("{name}_out"), Operation::Linear { input: z, weight, bias: None, width, layout });
                (Operation::Sum { inputs: vec![input, format!("{name}_out")] }, (positions, width))
            }
            _ => {
                let deviation = format!("{name}_scale");
                net = net.step(deviation.clone(), Operation::Deviation { input: input.clone(), eps: 1e-2 });
                let folded = choices.below(2) == 0;
                let (weight, bias) = ((!folded).then(|| parameter("w")), (!folded).then(|| parameter("b")));
                (Operation::Normalise { input, deviation, weight, bias }, (positions, width))
            }
        };
        net = net.step(name.clone(), operation);
        there.push((name, shape.0, shape.1));
    }
    let (read, positions, _) = there.last().expect("at least an embedding").clone();
    let (neurons, several, _) = there[there.len().saturating_sub(2)].clone();
    let neurons = if several > 1 { format!("{neurons}[{}]", several - 1) } else { neurons };
    let _ = positions;
    let (weight, layout) = ("W_U".into(), if choices.below(2) == 0 { Layout::Plain } else { Layout::Transposed });
    let (bias, extra) = (Some("b_U".into()), choices.below(2));
    net.step("logits", Operation::Unembed { input: read, weight, bias, extra, layout }).neurons(&neurons)
}

/// The network of [`description`], with numbers.
pub fn network(choices: &[u32], order: usize) -> Network {
    with_numbers(description(choices), order)
}

/// A network with numbers that are no multiples of each other, of about the size of initial ones.
pub fn with_numbers(architecture: Architecture, order: usize) -> Network {
    let mut network = Network::zeros(architecture, order).expect("built to fit");
    let weights = network.weights().to_vec();
    let numbers = network.parameters_mut();
    for (k, weight) in weights.iter().enumerate() {
        let scale = 1.2 / (weight.matrix[0] as f32).sqrt().min(3.0);
        for (i, number) in numbers[weight.range.clone()].iter_mut().enumerate() {
            *number = scale * ((i as f32 + 1.0) * 1.618 + (k as f32 + 1.0) * 2.399).sin();
        }
    }
    network
}
