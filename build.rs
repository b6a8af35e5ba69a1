//! The lessons are part of the program: a file more or less among them makes it anew.

fn main() {
    println!("cargo::rerun-if-changed=lessons");
}
