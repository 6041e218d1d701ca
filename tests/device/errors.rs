//! What is missing is named, without a panic.

use super::device;
use irreplens::Error;
use irreplens::device::Device;
use irreplens::group::Cyclic;
use irreplens::model::{FromFn, Hook, Hooks, Interpretable, Site};
use irreplens::task::Task;
use ndarray::Array2;

#[test]
fn without_a_device_there_is_a_reason() {
    match Device::list() {
        Ok(devices) => {
            assert!(!devices.is_empty());
            let error = Device::open(devices.len()).unwrap_err();
            assert!(matches!(error, Error::NoCudaDevice { ordinal, count } if ordinal == count), "{error}");
        }
        Err(error) => {
            let known = matches!(error, Error::NoCudaDriver | Error::NoCudaDevice { .. } | Error::Cuda { .. });
            assert!(known && !error.to_string().is_empty(), "{error}");
        }
    }
}

#[test]
fn errors_are_those_of_the_host() {
    let Some(device) = device() else { return };
    let model = super::random::summed(4, 3, 1).to_device(&device).unwrap();
    let (pairs, task) = (Task::new(&Cyclic::new(4).unwrap()).pairs(0..4), Task::new(&Cyclic::new(5).unwrap()));
    let hook = |hook| Hooks::none().with(hook);
    let error = model.run_with_hooks(&pairs, &hook(Hook::zero("nowhere")), &[]).unwrap_err();
    assert!(matches!(error, Error::UnknownSite { .. }), "{error}");
    assert!(matches!(model.run_with_cache(&pairs, &["nowhere"]), Err(Error::UnknownSite { .. })));
    assert!(matches!(model.neuron_columns("hidden", 2..4), Err(Error::UnknownChannel { .. })));
    assert!(matches!(model.evaluate(&task, &Hooks::none()), Err(Error::Shape { .. })));
    assert!(matches!(model.forward(&task.pairs(20..25)), Err(Error::UnknownElement { .. })));
    let closure =
        FromFn::new(4, vec![Site::new("logits", 4)], "logits", |p| vec![Array2::zeros((p.len(), 4))]).unwrap();
    assert!(matches!(closure.to_device(&device), Err(Error::Unsupported { .. })));
}
