//! What the inputs and outputs of a draft are called, in the languages of our users.

use crate::workflow::contract::{Label, MediaKind};

/// Name, English, Thai. A name that is not here is shown as it is, in both languages.
const KNOWN: [(&str, &str, &str); 14] = [
    ("prompt", "Prompt", "คำบรรยายภาพ"),
    ("negative_prompt", "What to avoid", "สิ่งที่ไม่ต้องการในภาพ"),
    ("image", "Picture", "ภาพ"),
    ("mask", "Mask", "ภาพมาสก์"),
    ("video", "Video", "วิดีโอ"),
    ("audio", "Sound", "เสียง"),
    ("ratio", "Aspect ratio", "สัดส่วนภาพ"),
    ("frames", "Frames", "จำนวนเฟรม"),
    ("steps", "Steps", "จำนวนขั้นตอน"),
    ("cfg", "Guidance (cfg)", "ระดับการทำตามคำบรรยาย (cfg)"),
    ("guidance", "Guidance", "ระดับการทำตามคำบรรยาย"),
    ("strength", "Strength of the change", "ระดับการเปลี่ยนแปลง"),
    ("seed", "Seed", "ค่า seed"),
    ("file", "File", "ไฟล์"),
];

/// The label of an input, also of a numbered one: `image_2` is `Picture 2`.
pub fn of_input(name: &str) -> Label {
    if let Some(label) = known(name) {
        return label;
    }
    let numbered = name.rsplit_once('_').and_then(|(base, number)| {
        let label = known(base).filter(|_| number.parse::<u32>().is_ok())?;
        let (en, th) = (label.en, label.th);
        Some(Label {
            en: format!("{en} {number}"),
            th: format!("{th} {number}"),
        })
    });
    numbered.unwrap_or_else(|| same(name))
}

/// The label of an output, by what it is.
pub fn of_output(kind: MediaKind) -> Label {
    match kind {
        MediaKind::Image => of_input("image"),
        MediaKind::Video => of_input("video"),
        MediaKind::Audio => of_input("audio"),
        MediaKind::Text | MediaKind::File | MediaKind::Latent => of_input("file"),
    }
}

/// A text that nobody has translated.
pub fn same(text: &str) -> Label {
    Label {
        en: text.to_owned(),
        th: text.to_owned(),
    }
}

fn known(name: &str) -> Option<Label> {
    let (_, en, th) = KNOWN.iter().find(|(known, _, _)| *known == name)?;
    Some(Label {
        en: (*en).to_owned(),
        th: (*th).to_owned(),
    })
}
