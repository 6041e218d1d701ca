//! The networks of the papers, as descriptions of a few lines each.

use super::activation::Activation;
use super::architecture::{Architecture, Initial};
use super::operation::{Layout, Operation, Token};

impl Architecture {
    /// The embeddings that these networks begin with.
    fn two_tables(width: usize) -> Self {
        Self::new().embed("embed_left", Token::Left, "W_E_a", width).embed("embed_right", Token::Right, "W_E_b", width)
    }

    /// The notebook's network, `relu([E_a[x], E_b[y]] W) W_U`, with embeddings of width `embed` and `hidden` neurons.
    ///
    /// Sites: `embed_left`, `embed_right`, `embed_stack`, `hidden_pre`, `hidden`, `logits`.
    ///
    /// Source: Chughtai, Chan, Nanda 2023, "A Toy Model of Universality", appendix.
    #[must_use]
    pub fn one_layer(embed: usize, hidden: usize) -> Self {
        Self::two_tables(embed)
            .concatenate("embed_stack", ["embed_left", "embed_right"])
            .linear("hidden_pre", "embed_stack", "W", hidden)
            .activate("hidden", "hidden_pre", Activation::Relu)
            .unembed("hidden", "W_U")
            .neurons("hidden")
    }

    /// [`Architecture::one_layer`] with a vector `b` added after the ReLU, as published.
    #[must_use]
    pub fn one_layer_with_bias(embed: usize, hidden: usize) -> Self {
        let mut architecture = Self::one_layer(embed, hidden);
        for step in &mut architecture.steps {
            if let Operation::Activate { bias, .. } = &mut step.operation {
                *bias = Some("b".into());
            }
        }
        architecture
    }

    /// `relu(E_a[x] + E_b[y]) W_U` with `hidden` neurons.
    ///
    /// Sites: `embed_left`, `embed_right`, `hidden_pre`, `hidden`, `logits`.
    #[must_use]
    pub fn summed(hidden: usize) -> Self {
        Self::summed_with(hidden, Activation::Relu)
    }

    /// `f(E_a[x] + E_b[y]) W_U` with `hidden` neurons: with f the square, the network of Gromov 2023, "Grokking modular
    /// arithmetic".
    #[must_use]
    pub fn summed_with(hidden: usize, function: Activation) -> Self {
        Self::two_tables(hidden)
            .sum("hidden_pre", ["embed_left", "embed_right"])
            .activate("hidden", "hidden_pre", function)
            .unembed("hidden", "W_U")
            .neurons("hidden")
    }

    /// `relu(relu(E_a[x] + E_b[y]) W) W_U`, with embeddings of width `embed` and `hidden` neurons in the second layer.
    ///
    /// Sites: `embed_left`, `embed_right`, `hidden1_pre`, `hidden1`, `hidden_pre`, `hidden`, `logits`.
    #[must_use]
    pub fn two_layer(embed: usize, hidden: usize) -> Self {
        Self::two_tables(embed)
            .sum("hidden1_pre", ["embed_left", "embed_right"])
            .activate("hidden1", "hidden1_pre", Activation::Relu)
            .linear("hidden_pre", "hidden1", "W", hidden)
            .activate("hidden", "hidden_pre", Activation::Relu)
            .unembed("hidden", "W_U")
            .neurons("hidden")
    }

    /// `(E_a[x] * E_b[y]) W_U`, an elementwise product of width `hidden`.
    ///
    /// Sites: `embed_left`, `embed_right`, `hidden`, `logits`.
    #[must_use]
    pub fn bilinear(hidden: usize) -> Self {
        Self::two_tables(hidden)
            .product("hidden", ["embed_left", "embed_right"])
            .unembed("hidden", "W_U")
            .neurons("hidden")
    }
}

/// LayerNorm of a [`Transformer`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum Normalisation {
    /// None.
    #[default]
    None,
    /// With weights and biases: TransformerLens's `LN`.
    #[serde(rename = "LN")]
    LayerNorm,
    /// With weights and biases folded into what follows: TransformerLens's `LNPre`.
    #[serde(rename = "LNPre")]
    Folded,
}

/// The settings of a transformer as TransformerLens builds it: [`Transformer::architecture`] is its description.
///
/// ```
/// use irreplens::model::{Network, Transformer};
/// // The transformer of "A Toy Model of Universality": input (x, y, =), logits at the last position.
/// let architecture = Transformer::default().architecture();
/// assert_eq!(architecture.neurons, "blocks.0.mlp.hook_post[2]");
/// assert_eq!(architecture.parameters(113)?[0].shape, [114, 128]);
/// # Ok::<(), irreplens::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Transformer {
    /// Number of blocks; 1.
    pub layers: usize,
    /// Width of the residual stream; 128.
    pub d_model: usize,
    /// Attention heads; 4.
    pub heads: usize,
    /// Width of a head; 32.
    pub d_head: usize,
    /// Neurons of a block, 512; `None` for attention alone.
    pub d_mlp: Option<usize>,
    /// The activation function of the neurons; ReLU.
    pub act_fn: Activation,
    /// LayerNorm; none.
    pub normalisation: Normalisation,
    /// Added to variances by LayerNorm; 1e-5.
    pub eps: f64,
    /// Constant tokens behind x and y; 1, the `=`.
    pub constants: usize,
    /// Rows of the embedding behind those of the elements; as many as there are constant tokens, or more.
    pub vocabulary: usize,
    /// Columns of W_U behind those of the elements; 0.
    pub extra: usize,
    /// Whether positions have rows of their own; yes.
    pub positional: bool,
    /// Number of these rows, 3: the length of the input, or more.
    pub context: usize,
    /// Whether W_Q, W_K, W_V, W_O, W_in, W_out and W_U have biases; yes.
    pub biases: bool,
    /// Whether training leaves these biases at 0, as in "A Toy Model of Universality"; yes.
    pub frozen_biases: bool,
}

impl Default for Transformer {
    fn default() -> Self {
        Self {
            layers: 1,
            d_model: 128,
            heads: 4,
            d_head: 32,
            d_mlp: Some(512),
            act_fn: Activation::Relu,
            normalisation: Normalisation::None,
            eps: 1e-5,
            constants: 1,
            vocabulary: 1,
            extra: 0,
            positional: true,
            context: 3,
            biases: true,
            frozen_biases: true,
        }
    }
}

impl Transformer {
    /// Number of positions of its input.
    #[must_use]
    pub fn positions(&self) -> usize {
        2 + self.constants
    }

    /// Its description, with the names that TransformerLens gives sites and parameters, and its initial values: normal with
    /// standard deviation 0.8/sqrt(d_model) for every matrix, 0 for biases.
    #[must_use]
    pub fn architecture(&self) -> Architecture {
        let mut tokens = vec![Token::Left, Token::Right];
        tokens.extend((0..self.constants).map(Token::Constant));
        let constants = self.vocabulary.max(self.constants);
        let embed = Operation::Embed { tokens, table: "embed.W_E".into(), width: self.d_model, constants };
        let mut net = Architecture::new().step("hook_embed", embed);
        let mut stream = vec!["hook_embed".to_owned()];
        if self.positional {
            let (positions, width, table) = (self.positions(), self.d_model, "pos_embed.W_pos".into());
            net = net.step("hook_pos_embed", Operation::Positions { table, positions, width, rows: self.context });
            stream.push("hook_pos_embed".into());
        }
        let bias = |name: String| self.biases.then_some(name);
        let linear = |input: &str, weight: String, bias: Option<String>, width: usize, layout: Layout| {
            Operation::Linear { input: input.into(), weight, bias, width, layout }
        };
        for l in 0..self.layers {
            let at = |name: &str| format!("blocks.{l}.{name}");
            let before = at("hook_resid_pre");
            net = net.step(before.clone(), Operation::Sum { inputs: std::mem::take(&mut stream) });
            let normed;
            (net, normed) = self.normalise(net, &before, &at("ln1"));
            let out = Layout::HeadsOut { heads: self.heads };
            let width = self.heads * self.d_head;
            for part in ["q", "k", "v"] {
                let upper = part.to_uppercase();
                let (weight, bias) = (at(&format!("attn.W_{upper}")), bias(at(&format!("attn.b_{upper}"))));
                net = net.step(at(&format!("attn.hook_{part}")), linear(&normed, weight, bias, width, out));
            }
            let (query, key) = (at("attn.hook_q"), at("attn.hook_k"));
            net = net
                .step(at("attn.hook_attn_scores"), Operation::Scores { query, key, heads: self.heads })
                .step(at("attn.hook_pattern"), Operation::Softmax { scores: at("attn.hook_attn_scores") })
                .step(at("attn.hook_z"), Operation::Mix { pattern: at("attn.hook_pattern"), value: at("attn.hook_v") });
            let into = Layout::HeadsIn { heads: self.heads };
            let written = linear(&at("attn.hook_z"), at("attn.W_O"), bias(at("attn.b_O")), self.d_model, into);
            net = net.step(at("hook_attn_out"), written);
            let Some(d_mlp) = self.d_mlp else {
                net = net.sum(&at("hook_resid_post"), [&before, &at("hook_attn_out")]);
                stream.push(at("hook_resid_post"));
                continue;
            };
            net = net.sum(&at("hook_resid_mid"), [&before, &at("hook_attn_out")]);
            let normed;
            (net, normed) = self.normalise(net, &at("hook_resid_mid"), &at("ln2"));
            let plain = Layout::Plain;
            net = net
                .step(at("mlp.hook_pre"), linear(&normed, at("mlp.W_in"), bias(at("mlp.b_in")), d_mlp, plain))
                .activate(&at("mlp.hook_post"), &at("mlp.hook_pre"), self.act_fn);
            let post = at("mlp.hook_post");
            net = net
                .step(at("hook_mlp_out"), linear(&post, at("mlp.W_out"), bias(at("mlp.b_out")), self.d_model, plain))
                .sum(&at("hook_resid_post"), [&at("hook_resid_mid"), &at("hook_mlp_out")]);
            stream.push(at("hook_resid_post"));
        }
        let stream = match &stream[..] {
            [one] => one.clone(),
            several => {
                net = net.step("hook_resid", Operation::Sum { inputs: several.to_vec() });
                "hook_resid".into()
            }
        };
        let read;
        (net, read) = self.normalise(net, &stream, "ln_final");
        let unembed = Operation::Unembed {
            input: read.clone(),
            weight: "unembed.W_U".into(),
            bias: bias("unembed.b_U".into()),
            extra: self.extra,
            layout: Layout::Plain,
        };
        let last = self.positions() - 1;
        let neurons = match (self.d_mlp, self.layers) {
            (Some(_), 1..) => format!("blocks.{}.mlp.hook_post[{last}]", self.layers - 1),
            _ => format!("{read}[{last}]"),
        };
        self.initialised(net.step(crate::model::LOGITS, unembed).neurons(&neurons))
    }

    /// A description with TransformerLens's initial values, and with the biases frozen where they are.
    fn initialised(&self, mut net: Architecture) -> Architecture {
        let normal = Initial::Normal(0.8 / (self.d_model as f64).sqrt());
        for step in &net.steps {
            let (matrix, bias) = match &step.operation {
                Operation::Embed { table, .. } | Operation::Positions { table, .. } => (table, &None),
                Operation::Linear { weight, bias, .. } | Operation::Unembed { weight, bias, .. } => (weight, bias),
                _ => continue,
            };
            net.initial.insert(matrix.clone(), normal);
            net.initial.extend(bias.iter().map(|bias| (bias.clone(), Initial::Constant(0.0))));
            net.frozen.extend(bias.iter().filter(|_| self.frozen_biases).cloned());
        }
        net
    }

    /// LayerNorm of a value, where there is any; the value to go on with.
    fn normalise(&self, net: Architecture, input: &str, name: &str) -> (Architecture, String) {
        if self.normalisation == Normalisation::None {
            return (net, input.to_owned());
        }
        let (scale, normalised) = (format!("{name}.hook_scale"), format!("{name}.hook_normalized"));
        let has = self.normalisation == Normalisation::LayerNorm;
        let parameter = |part: &str| has.then(|| format!("{name}.{part}"));
        let deviation = Operation::Deviation { input: input.into(), eps: self.eps };
        let (weight, bias) = (parameter("w"), parameter("b"));
        let normalise = Operation::Normalise { input: input.into(), deviation: scale.clone(), weight, bias };
        (net.step(scale, deviation).step(normalised.clone(), normalise), normalised)
    }
}
