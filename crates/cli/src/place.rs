//! Where a model runs: `--device cpu` or `--device cuda:N`.

use crate::Failure;
use crate::screen::Screen;
use irreplens::model::Interpretable;
use std::str::FromStr;

/// What `--device` names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Device {
    /// The processor.
    #[default]
    Cpu,
    /// The CUDA device of this number.
    Cuda(usize),
}

impl FromStr for Device {
    type Err = &'static str;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let number = || name.strip_prefix("cuda:")?.parse().ok();
        match name {
            "cpu" => Ok(Self::Cpu),
            _ => number().map(Self::Cuda).ok_or("expected cpu or cuda:N"),
        }
    }
}

/// The option that all commands have which run a model.
#[derive(clap::Args, Clone, Copy, Debug, Default)]
pub struct On {
    /// Where the model runs: cpu or cuda:N.
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    device: Device,
}

impl On {
    /// Opens the device, and prints what it is.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub fn open(self, screen: &Screen) -> Result<Place, Failure> {
        match self.device {
            Device::Cpu => Ok(Place::Cpu),
            Device::Cuda(number) => {
                Place::cuda(number, screen).map_err(|reason| format!("--device cuda:{number}: {reason}").into())
            }
        }
    }
}

/// The processor, or a CUDA device that is open.
#[derive(Clone, Debug, Default)]
pub enum Place {
    /// The processor.
    #[default]
    Cpu,
    /// A CUDA device.
    #[cfg(feature = "cuda")]
    Cuda(irreplens::device::Device),
}

impl Place {
    #[cfg(feature = "cuda")]
    fn cuda(number: usize, screen: &Screen) -> Result<Self, Failure> {
        let device = irreplens::device::Device::open(number)?;
        screen.note(&device.info());
        Ok(Self::Cuda(device))
    }

    #[cfg(not(feature = "cuda"))]
    fn cuda(_: usize, _: &Screen) -> Result<Self, Failure> {
        Err("this program was built without the feature `cuda`".into())
    }

    /// The model there.
    ///
    /// # Errors
    /// Those of moving it.
    pub fn place(&self, model: Box<dyn Interpretable>) -> irreplens::Result<Box<dyn Interpretable>> {
        match self {
            Self::Cpu => Ok(model),
            #[cfg(feature = "cuda")]
            Self::Cuda(device) => {
                use irreplens::model::OfGroup;
                Ok(Box::new(OfGroup::with_fingerprint(model.to_device(device)?, model.fingerprint())))
            }
        }
    }
}
