//! What is understood of numbers, audio files and AMI streams, as JSON, one object a line.
//!
//! Reads what is named on the command line; a `-`, or nothing, is standard input.

use std::{
    fs::File,
    io::{self, BufRead, Cursor, Read, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use clap::Subcommand;
use serde_json::{Value, json};

use super::replay;
use crate::{
    model::phone::NumberingPlan,
    recordings::audio::{self, InspectError, Measured},
};

/// What to look at.
#[derive(Subcommand)]
pub enum Command {
    /// Phone numbers: as arguments, or one a line in files or on standard input
    Phone(Phone),
    /// Audio files: what they are, how long, who talks
    Audio {
        /// Files; `-` is standard input
        files: Vec<PathBuf>,
        /// Leave out the peaks of the waveform
        #[arg(long)]
        brief: bool,
    },
    /// A recorded AMI stream: its facts and the calls they make
    Ami {
        /// Files; `-` is standard input
        files: Vec<PathBuf>,
    },
}

/// Numbers and how the account writes them.
#[derive(clap::Args)]
pub struct Phone {
    /// Numbers, or files with one number a line; `-` is standard input
    numbers: Vec<String>,
    /// ISO 3166 country of national numbers
    #[arg(long, default_value = "RU")]
    country: String,
    /// Area code put before local numbers
    #[arg(long, default_value = "")]
    area_code: String,
}

/// Does it.
pub fn run(command: &Command) -> Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    match command {
        Command::Phone(phone) => phones(phone, &mut out)?,
        Command::Audio { files, brief } => {
            for file in named(files) {
                writeln!(out, "{}", audio(&file, *brief)?)?;
            }
        }
        Command::Ami { files } => {
            for file in named(files) {
                replay::stream("asterisk", &bytes(&file)?, &mut out)?;
            }
        }
    }
    out.flush()?;
    Ok(())
}

fn named(files: &[PathBuf]) -> Vec<PathBuf> {
    match files.is_empty() {
        true => vec![PathBuf::from("-")],
        false => files.to_vec(),
    }
}

fn phones(phone: &Phone, out: &mut impl Write) -> Result<()> {
    let plan = NumberingPlan {
        country: phone.country.clone(),
        area_code: phone.area_code.clone(),
    };
    if let Some(problem) = plan.problem() {
        anyhow::bail!(problem);
    }
    let mut explain = |text: &str| -> Result<()> {
        writeln!(out, "{}", serde_json::to_string(&plan.explain(text))?)?;
        Ok(())
    };
    let numbers: &[String] = match phone.numbers.is_empty() {
        true => &["-".to_owned()],
        false => &phone.numbers,
    };
    for number in numbers {
        if number != "-" && !Path::new(number).is_file() {
            explain(number)?;
            continue;
        }
        for line in Cursor::new(bytes(Path::new(number))?).split(b'\n') {
            let line = line?;
            explain(String::from_utf8_lossy(&line).trim_end_matches('\r'))?;
        }
    }
    Ok(())
}

fn audio(file: &Path, brief: bool) -> Result<Value> {
    let name = file.display().to_string();
    let inspected = match name.as_str() {
        "-" => audio::inspect(&mut Cursor::new(bytes(file)?)),
        _ => audio::inspect(&mut File::open(file).with_context(|| name.clone())?),
    };
    match inspected {
        Ok(measured) => audio_json(name, &measured, brief),
        Err(InspectError::Refused(why)) => Ok(json!({
            "file": name,
            "refused": why.as_str(),
            "why": why.to_string(),
        })),
        Err(InspectError::Io(error)) => Err(error).context(name),
    }
}

fn audio_json(name: String, measured: &Measured, brief: bool) -> Result<Value> {
    let mut json = serde_json::to_value(measured)?;
    json["file"] = name.into();
    if brief && let Some(sound) = json.pointer_mut("/player/sound") {
        sound["peaks"].take();
    }
    Ok(json)
}

/// All of a file, or of standard input.
pub fn bytes(file: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if file == Path::new("-") {
        io::stdin().lock().read_to_end(&mut bytes)?;
    } else {
        bytes = std::fs::read(file).with_context(|| file.display().to_string())?;
    }
    Ok(bytes)
}
