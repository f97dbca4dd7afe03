//! Invents a land and writes its world file:
//! `cargo run -p throng-motion --example invent -- SEED WIDTH_M HEIGHT_M FILE`.

use throng_motion::{GenerateConfig, Land};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [seed, width_m, height_m, file] = arguments.as_slice() else {
        return Err("give a seed, a width and a height in metres, and the file to write".into());
    };
    let config =
        GenerateConfig { seed: seed.parse()?, width_m: width_m.parse()?, height_m: height_m.parse()? };
    let bytes = Land::generate(&config)?.write();
    std::fs::write(file, &bytes)?;
    println!("{file}: {} bytes", bytes.len());
    Ok(())
}
