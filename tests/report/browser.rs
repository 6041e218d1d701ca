//! The report in a browser: headless Chromium with its networking off, over the DevTools protocol.
//!
//! Chromium is `IRREPLENS_CHROMIUM`, or `chromium` on the path; where there is none the test says so and is skipped, unless
//! `IRREPLENS_REQUIRE_BROWSER` is set. With `IRREPLENS_SCREENSHOTS=DIR` pictures of the pages are left there.

use crate::runs;
use irreplens::checkpoint::{GroupKind, ModelKind, Run};
use irreplens::report::of_run;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// A browser with one page, spoken to over pipes: messages are JSON that end in a zero byte.
struct Browser {
    process: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    session: Option<String>,
    sent: u64,
    /// What the console and uncaught exceptions said.
    complaints: Vec<String>,
    _profile: tempfile::TempDir,
}

impl Browser {
    fn start(program: &Path) -> Self {
        let profile = tempfile::tempdir().unwrap();
        // Chromium speaks on the descriptors 3 and 4.
        let mut command = Command::new("sh");
        command.args(["-c", "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>/dev/null"]).arg(program);
        command.args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]);
        command.args(["--disable-background-networking", "--disable-component-update", "--disable-sync"]);
        command.arg("--remote-debugging-pipe").arg(format!("--user-data-dir={}", profile.path().display()));
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (to, from) = (process.stdin.take().unwrap(), BufReader::new(process.stdout.take().unwrap()));
        let mut browser = Self { process, to, from, session: None, sent: 0, complaints: Vec::new(), _profile: profile };
        let target = browser.send("Target.createTarget", json!({ "url": "about:blank" }))["targetId"].clone();
        let attached = browser.send("Target.attachToTarget", json!({ "targetId": target, "flatten": true }));
        browser.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.send(&format!("{domain}.enable"), json!({}));
        }
        let offline = json!({ "offline": true, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0 });
        browser.send("Network.emulateNetworkConditions", offline);
        browser
    }

    /// Sends a command and waits for its answer.
    fn send(&mut self, method: &str, parameters: Value) -> Value {
        self.sent += 1;
        let mut message = json!({ "id": self.sent, "method": method, "params": parameters });
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        self.to.write_all(format!("{message}\0").as_bytes()).unwrap();
        self.to.flush().unwrap();
        loop {
            let mut answer = Vec::new();
            self.from.read_until(0, &mut answer).unwrap();
            assert!(answer.pop() == Some(0), "the browser closed the connection");
            let answer: Value = serde_json::from_slice(&answer).unwrap();
            if answer["id"] == json!(self.sent) {
                assert!(answer["error"].is_null(), "{method}: {}", answer["error"]);
                return answer["result"].clone();
            }
            let parameters = &answer["params"];
            match answer["method"].as_str() {
                Some("Runtime.exceptionThrown") => self.complaints.push(parameters.to_string()),
                Some("Runtime.consoleAPICalled") if parameters["type"] != "log" => {
                    self.complaints.push(parameters.to_string());
                }
                Some("Log.entryAdded") => self.complaints.push(parameters["entry"].to_string()),
                _ => {}
            }
        }
    }

    /// The value of an expression, or of the promise that it is.
    fn value(&mut self, expression: &str) -> Value {
        let parameters = json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        let answer = self.send("Runtime.evaluate", parameters);
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {}", answer["exceptionDetails"]);
        answer["result"]["value"].clone()
    }

    fn open(&mut self, page: &Path) {
        self.send("Page.navigate", json!({ "url": format!("file://{}", page.display()) }));
        let start = Instant::now();
        while self.value("document.readyState === 'complete' && !!window.irreplens") != json!(true) {
            assert!(start.elapsed() < Duration::from_secs(60), "the page does not load");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn size(&mut self, width: u32, height: u32) {
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.send("Emulation.setDeviceMetricsOverride", metrics);
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The browser to use; `None` with a line on stderr where there is none.
fn chromium() -> Option<PathBuf> {
    let named = std::env::var_os("IRREPLENS_CHROMIUM").map(PathBuf::from);
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let found = named.or_else(|| std::env::split_paths(&paths).map(|path| path.join("chromium")).find(|p| p.exists()));
    if found.is_none() {
        let line = "SKIPPED: tests of the report in a browser: no chromium on the path, and no IRREPLENS_CHROMIUM";
        assert!(std::env::var_os("IRREPLENS_REQUIRE_BROWSER").is_none(), "{line}");
        // Straight to the stream: the test harness would swallow eprintln.
        let mut stderr = std::io::stderr();
        writeln!(stderr, "{line}").unwrap();
    }
    found
}

/// Figures without drawn marks, of those shown.
const UNDRAWN: &str = "[...document.querySelectorAll('figure:not([hidden])')]
    .filter(f => !f.querySelector('.plot .hm image, .plot path.js-line, .plot .points path'))
    .map(f => f.dataset.figure + ' ' + f.querySelector('figcaption').textContent)";

/// What a view draws: the data of its first plot.
fn drawn(control: &str) -> String {
    format!(
        "JSON.stringify([...{control}.closest('.view').querySelectorAll('figure')].map(f => \
             [f.querySelector('figcaption').textContent, f.querySelector('.plot').data.map(t => [t.z || t.y, t.zmax])]))"
    )
}

/// Every check on one page.
fn check(browser: &mut Browser, page: &Path, name: &str, hover: &str) {
    browser.size(1280, 900);
    browser.open(page);
    browser.value("window.irreplens.drawAll()");
    assert_eq!(browser.value(UNDRAWN), json!([]), "{name}: figures without marks");
    assert!(browser.value("document.querySelectorAll('figure').length").as_u64() > Some(15));

    // Every slider and every selector changes what is drawn.
    let controls =
        browser.value("document.querySelectorAll('.control select, .control input').length").as_u64().unwrap();
    assert!(controls >= 4, "{name}: {controls} controls");
    for i in 0..controls {
        let control = format!("document.querySelectorAll('.control select, .control input')[{i}]");
        let before = browser.value(&drawn(&control));
        browser.value(&format!(
            "(() => {{ const c = {control}; c.value = '1'; \
             c.dispatchEvent(new Event('input', {{ bubbles: true }})); return window.irreplens.drawAll(); }})()"
        ));
        let label = browser.value(&format!("{control}.closest('.control').textContent"));
        assert!(browser.value(&drawn(&control)) != before, "{name}: {label} changes nothing");
    }
    let neuron = "[...document.querySelectorAll('figcaption')].filter(c => /neuron 1\\b/.test(c.textContent)).length";
    assert!(browser.value(neuron).as_u64() >= Some(1), "{name}: the selector does not choose neuron 1");

    // Keys move a slider.
    browser.value("document.querySelector('.control input').focus()");
    let at = browser.value("document.querySelector('.control input').value");
    for kind in ["keyDown", "keyUp"] {
        let key = json!({ "type": kind, "key": "ArrowRight", "code": "ArrowRight", "windowsVirtualKeyCode": 39 });
        browser.send("Input.dispatchKeyEvent", key);
    }
    assert_ne!(
        browser.value("document.querySelector('.control input').value"),
        at,
        "{name}: keys do not move the slider"
    );

    // The pointer over a heat map of coefficients, at its first cell.
    let place = browser.value(
        "(() => { const f = [...document.querySelectorAll('figure')].find(f => \
           f.querySelector('.hm') && /neuron 1\\b/.test(f.textContent) && f.textContent.includes('Component')); \
         document.documentElement.style.scrollBehavior = 'auto'; f.scrollIntoView({ block: 'center' }); window.hovered = f; \
         const box = f.querySelector('.plot .hm image').getBoundingClientRect(); \
         const cells = f.querySelector('.plot').data[0].z.length; \
         return [box.x + box.width * 1.5 / cells, box.y + box.height * 1.5 / cells]; })()",
    );
    let mouse = |dx: f64| json!({ "type": "mouseMoved", "x": place[0].as_f64().unwrap() + dx, "y": place[1] });
    browser.send("Input.dispatchMouseEvent", mouse(2.0));
    std::thread::sleep(Duration::from_millis(200));
    browser.send("Input.dispatchMouseEvent", mouse(0.0));
    let start = Instant::now();
    let mut text = String::new();
    while !text.contains(hover) && start.elapsed() < Duration::from_secs(5) {
        std::thread::sleep(Duration::from_millis(50));
        text = browser.value("window.hovered.querySelector('.hoverlayer').textContent").to_string();
    }
    assert!(text.contains(hover), "{name}: hovering shows {text}, expected {hover}");

    // A click on a head sorts.
    let cells = "[...document.querySelector('table').tBodies[0].rows].map(r => Number(r.cells[1].dataset.value))";
    browser.value("document.querySelectorAll('th .sort')[1].click()");
    let sorted: Vec<f64> = serde_json::from_value(browser.value(cells)).unwrap();
    assert!(sorted.is_sorted_by(|a, b| a >= b), "{name}: {sorted:?}");

    // A page as wide as a phone does not scroll sideways, and the button changes the colours.
    let ground = "getComputedStyle(document.body).backgroundColor";
    let before = browser.value(ground);
    browser.value("document.getElementById('theme').click()");
    assert_ne!(browser.value(ground), before, "{name}: the button does not change the colours");
    browser.value("document.getElementById('theme').click()");
    browser.size(390, 844);
    assert_eq!(browser.value("document.documentElement.scrollWidth"), json!(390), "{name}: wider than a phone");

    if let Some(folder) = std::env::var_os("IRREPLENS_SCREENSHOTS").map(PathBuf::from) {
        std::fs::create_dir_all(&folder).unwrap();
        for (width, height) in [(1280, 900), (390, 844)] {
            for scheme in ["light", "dark"] {
                browser.size(width, height);
                let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
                browser.send("Emulation.setEmulatedMedia", media);
                browser.value("delete document.documentElement.dataset.theme; window.irreplens.drawAll()");
                let size = browser.send("Page.getLayoutMetrics", json!({}))["cssContentSize"].clone();
                let clip = json!({ "x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1 });
                let picture = json!({ "format": "png", "captureBeyondViewport": true, "clip": clip });
                let picture = browser.send("Page.captureScreenshot", picture)["data"].as_str().unwrap().to_owned();
                let file = folder.join(format!("{name}-{width}-{scheme}.png"));
                std::fs::write(file, bytes(&picture)).unwrap();
            }
        }
    }
    let complaints = std::mem::take(&mut browser.complaints);
    assert!(complaints.is_empty(), "{name}: {}", complaints.join("\n"));
}

fn bytes(base64: &str) -> Vec<u8> {
    let digit = |c: u8| match c {
        b'A'..=b'Z' => c - b'A',
        b'a'..=b'z' => c - b'a' + 26,
        b'0'..=b'9' => c - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let four = |four: &[u8]| {
        let digits: Vec<u8> = four.iter().filter(|&&c| c != b'=').map(|&c| digit(c)).collect();
        let bits = (0..4).fold(0, |bits, i| bits << 6 | u32::from(*digits.get(i).unwrap_or(&0)));
        bits.to_be_bytes()[1..digits.len()].to_vec()
    };
    base64.as_bytes().chunks(4).flat_map(four).collect()
}

fn write_report(run: &Path, order: Option<&Path>, page: &Path) {
    of_run(&Run::open(run).unwrap(), order, &Ok, &mut |_| {}).unwrap().write(page).unwrap();
}

#[test]
fn reports_in_a_browser() {
    let Some(program) = chromium() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut browser = Browser::start(&program);

    let page = folder.path().join("D53.html");
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/D53");
    write_report(shipped.as_ref(), None, &page);
    check(&mut browser, &page, "D53", "cos 1");

    // A hostile name is a name.
    let run = folder.path().join("<img src=x onerror=alert(1)> \"S4\"");
    std::fs::create_dir(&run).unwrap();
    runs::write_run(&run, ModelKind::OneLayerMlp, GroupKind::SymmetricGroup, 4, 1);
    let (order, page) = (folder.path().join("order.json"), folder.path().join("S4.html"));
    runs::write_order(&order, 4);
    write_report(&run, Some(&order), &page);
    check(&mut browser, &page, "S4", "x Component: ");
    assert_eq!(browser.value("document.images.length"), json!(0));
}
