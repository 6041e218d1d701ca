//! Descriptions that do not fit together, and what is said of them.

use irreplens::Error;
use irreplens::model::{Activation, Architecture, Interpretable, Layout, Network, Operation, Token};

fn refused(net: Architecture, step: &str, expected: &str, got: &str) {
    match Network::zeros(net.clone(), 5) {
        Err(Error::Description { step: s, expected: e, got: g }) => {
            assert!(s == step && e.contains(expected) && g.contains(got), "step `{s}`: expected {e}, got {g}");
        }
        other => panic!("{other:?} from\n{net}"),
    }
}

fn start() -> Architecture {
    Architecture::new().embed("left", Token::Left, "A", 4).embed("right", Token::Right, "B", 6).neurons("left")
}

#[test]
fn widths_and_names() {
    refused(start().sum("s", ["left", "right"]).unembed("s", "U"), "s", "width 4", "width 6");
    refused(start().product("s", ["left", "right"]).unembed("s", "U"), "s", "width 4", "width 6");
    refused(start().linear("h", "middle", "W", 3).unembed("h", "U"), "h", "`middle`", "none");
    refused(
        start().linear("h", "later", "W", 3).linear("later", "h", "V", 3).unembed("h", "U"),
        "h",
        "before",
        "behind",
    );
    refused(start().linear("h", "h", "W", 3).unembed("h", "U"), "h", "before", "itself");
    refused(start().linear("h", "left", "W", 0).unembed("h", "U"), "h", "from 1 up", "0");
    refused(start().linear("left", "left", "W", 3).unembed("left", "U"), "left", "of its own", "before");
    refused(
        start().linear("h", "left", "W", 3).linear("k", "right", "W", 3).unembed("h", "U"),
        "k",
        "[4, 3]",
        "[6, 3]",
    );
    refused(start().linear("h", "left", "W", 3), "h", "unembedding", "`h`");
    refused(start().unembed("left", "U").linear("h", "left", "W", 3), "logits", "last", "behind");
    refused(start().unembed("left", "U").neurons("hidden"), "hidden", "sites", "no site");
    refused(Architecture::new(), "logits", "unembedding", "no step");
    refused(start().sum("s", []).unembed("s", "U"), "s", "at least one", "none");
}

#[test]
fn positions_and_heads() {
    let tokens = [Token::Left, Token::Right];
    let net = Architecture::new().embed_sequence("e", &tokens, "E", 6).neurons("e[1]");
    let select = |position| Operation::Select { input: "e".into(), position };
    refused(net.clone().step("s", select(2)).unembed("s", "U"), "s", "below 2", "2");
    let scores = |heads| Operation::Scores { query: "e".into(), key: "e".into(), heads };
    refused(net.clone().step("s", scores(4)).unembed("e", "U"), "s", "4 heads", "width 6");
    refused(net.clone().step("s", scores(0)).unembed("e", "U"), "s", "0 heads", "width 6");
    let softmax = Operation::Softmax { scores: "e".into() };
    refused(net.clone().step("s", softmax).unembed("e", "U"), "s", "scores", "another");
    let mix = Operation::Mix { pattern: "e".into(), value: "e".into() };
    refused(net.clone().step("z", mix).unembed("e", "U"), "z", "pattern", "another");
    let norm = Operation::Normalise { input: "e".into(), deviation: "e".into(), weight: None, bias: None };
    refused(net.clone().step("n", norm).unembed("e", "U"), "n", "deviation", "6 channels");
    let deviation = Operation::Deviation { input: "e".into(), eps: f64::NAN };
    refused(net.clone().step("d", deviation).unembed("e", "U"), "d", "eps", "NaN");
    let heads = Layout::HeadsOut { heads: 4 };
    let linear = Operation::Linear { input: "e".into(), weight: "W".into(), bias: None, width: 6, layout: heads };
    refused(net.clone().step("q", linear).unembed("e", "U"), "q", "4 heads", "6");
    let embed = Operation::Embed { tokens: vec![Token::Constant(2)], table: "T".into(), width: 2, constants: 2 };
    refused(net.clone().step("c", embed).unembed("e", "U"), "c", "below 2", "2");
    refused(Architecture::new().embed_sequence("e", &[], "E", 6).unembed("e", "U"), "e", "token", "none");
    let one = Architecture::new().embed("a", Token::Left, "A", 6).embed_sequence("e", &tokens, "E", 6).neurons("a");
    refused(one.sum("s", ["a", "e"]).unembed("s", "U"), "s", "1 positions", "2");
}

#[test]
fn unknown_activations_are_named_with_the_known_ones() {
    let error = "relu6".parse::<Activation>().unwrap_err().to_string();
    assert!(error.contains("relu6") && error.contains("gelu_new"), "{error}");
    let json = r#"{"steps": [{"name": "h", "activate": {"input": "x", "function": "relu6"}}], "neurons": "h"}"#;
    let error = serde_json::from_str::<Architecture>(json).unwrap_err().to_string();
    assert!(error.contains("relu6") && error.contains("gelu"), "{error}");
}

#[test]
fn descriptions_are_data() {
    let net = start().linear("h", "left", "W", 3).activate("f", "h", Activation::Silu).unembed("f", "U");
    assert_eq!(net.to_string(), "left = A[x]\nright = B[y]\nh = left W\nf = silu(h)\nlogits = f U");
    let json = serde_json::to_string(&net).unwrap();
    assert_eq!(serde_json::from_str::<Architecture>(&json).unwrap(), net);
    let network = Network::zeros(net, 5).unwrap();
    assert_eq!(network.sites().len(), 5);
    assert!(network.neuron_path().is_none());
}
