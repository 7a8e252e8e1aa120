// Every word that the pages say by themselves, in both languages. Labels of inputs come from contracts.

export const language = () => document.documentElement.lang;

/** The language's own text of `{ en, th }`. */
export const said = (label) => (label ? (label[language()] ?? label.en) : "");

/** A text by its name, `{word}` replaced by `words`. */
export function t(name, words = {}) {
  const text = TEXTS[name];
  if (!text) throw new Error(`no text named ${name}`);
  return text[language() === "th" ? 1 : 0].replace(/\{(\w+)\}/g, (_, word) => words[word] ?? "");
}

/** The texts of one page, beside those that all pages say. */
export function add(texts) {
  Object.assign(TEXTS, texts);
}

export const knows = (name) => name in TEXTS;

export function speak(chosen) {
  try {
    localStorage.setItem("eq.language", chosen);
  } catch {
    // The page is drawn in it all the same.
  }
  document.documentElement.lang = chosen;
  dispatchEvent(new Event("eq:language"));
}

const locale = () => (language() === "th" ? "th-TH" : "en-GB");

export function bytes(count) {
  const [value, unit] = count < 1e6 ? [count / 1e3, "kB"] : [count / 1e6, "MB"];
  return `${rounded(value, value < 10 ? 1 : 0)} ${unit}`;
}

/** Small numbers look alike in both languages, and a telephone's first NumberFormat takes 200 ms. */
export function number(value, options) {
  if (!options && Math.abs(value) < 1000) return String(Math.round(value * 1000) / 1000);
  return new Intl.NumberFormat(locale(), options).format(value);
}

const rounded = (value, digits) => number(Math.round(value * 10 ** digits) / 10 ** digits);

/** A number of credits, in words. */
export const credits = (n) => t(n === 1 ? "one_credit" : "n_credits", { n: number(n) });

export function duration(ms) {
  if (ms < 90_000) return t("seconds", { n: rounded(ms / 1000, ms < 10_000 ? 1 : 0) });
  if (ms > 7_200_000) return t("hours", { n: rounded(ms / 3_600_000, 1) });
  return t("minutes", { n: rounded(ms / 60_000, ms < 600_000 ? 1 : 0) });
}

export function moment(ms) {
  const at = new Date(ms);
  const isToday = at.toDateString() === new Date().toDateString();
  const clock = { hour: "2-digit", minute: "2-digit" };
  return at.toLocaleString(
    locale(),
    isToday ? clock : { day: "numeric", month: "short", ...clock },
  );
}

/** The types of files as people write them: PNG, JPEG. */
export const types = (list) => list.map((type) => type.split("/")[1].toUpperCase()).join(", ");

const TEXTS = {
  seconds: ["{n} s", "{n} วินาที"],
  minutes: ["{n} min", "{n} นาที"],
  hours: ["{n} h", "{n} ชั่วโมง"],
  simulated: ["Simulated GPU", "GPU จำลอง"],
  simulated_help: [
    "No GPU is used and nothing is paid: results are patterns made of your request.",
    "ไม่มีการใช้ GPU จริงและไม่มีค่าใช้จ่าย ผลลัพธ์เป็นลวดลายที่สร้างจากคำขอของคุณ",
  ],
  live: ["Live", "ใช้งานจริง"],
  live_help: ["Jobs run on a real GPU.", "งานจะประมวลผลบน GPU จริง"],
  unwell: ["Not ready", "ยังไม่พร้อม"],
  unwell_help: ["The service does not answer as it should.", "ระบบยังไม่ตอบสนองตามปกติ"],
  menu_edit: ["Photo editing", "แต่งภาพถ่าย"],
  menu_merch: ["Pet merchandise", "สินค้าสัตว์เลี้ยง"],
  menu_video: ["Video", "วิดีโอ"],
  menu_reference: ["API", "API"],
  menu_console: ["Console", "แผงควบคุม"],
  to_dark: ["Dark colours", "โหมดมืด"],
  to_light: ["Light colours", "โหมดสว่าง"],
  other_language: ["ภาษาไทย", "English"],
  menu: ["Pages", "หน้าต่าง ๆ"],
  skip: ["Skip to the content", "ข้ามไปยังเนื้อหา"],
  // The form
  drop: ["Drop a picture here, paste it, or", "ลากภาพมาวาง วางจากคลิปบอร์ด หรือ"],
  drop_phone: ["Choose a picture", "เลือกภาพ"],
  choose_file: ["choose a file", "เลือกไฟล์"],
  change_file: ["Change", "เปลี่ยน"],
  remove_file: ["Remove {label}", "ลบ{label}"],
  shrunk: ["made smaller to fit", "ย่อขนาดให้พอดีแล้ว"],
  more_files: ["More pictures", "ภาพเพิ่มเติม"],
  optional: ["optional", "ไม่บังคับ"],
  fine_tuning: ["Fine tuning", "ปรับละเอียด"],
  random: ["Random", "สุ่ม"],
  told: ["What the model is told", "ข้อความที่ส่งให้โมเดล"],
  told_help: [
    "Your choices become this English instruction. The grey part is always there: it keeps the person recognisable.",
    "ตัวเลือกของคุณถูกแปลงเป็นคำสั่งภาษาอังกฤษนี้ ส่วนสีเทาใส่ให้เสมอเพื่อคงเอกลักษณ์ของบุคคลและคุณภาพของภาพ",
  ],
  told_nothing: ["Choose something to change.", "เลือกสิ่งที่ต้องการเปลี่ยน"],
  submit: ["Make it", "สร้างภาพ"],
  submit_video: ["Make the video", "สร้างวิดีโอ"],
  usually: ["usually takes {time}", "ปกติใช้เวลา {time}"],
  uploading: ["Uploading… {share}", "กำลังอัปโหลด… {share}"],
  sending: ["Sending…", "กำลังส่ง…"],
  loading: ["Loading…", "กำลังโหลด…"],
  // Credits
  credits: ["Credits", "เครดิต"],
  one_credit: ["1 credit", "1 เครดิต"],
  n_credits: ["{n} credits", "{n} เครดิต"],
  left_over: ["{n} left", "เหลือ {n}"],
  left_word: ["credits left", "เครดิตคงเหลือ"],
  held: ["{n} held by jobs under way", "{n} ถูกกันไว้สำหรับงานที่กำลังทำ"],
  get_credits: ["Get credits", "รับเครดิต"],
  purchase_simulated: [
    "Nothing is paid here: the GPU is simulated, and so is the purchase.",
    "ไม่มีการชำระเงินจริง GPU และการซื้อเป็นการจำลอง",
  ],
  purchase_elsewhere: ["Ask the owner of this site for more.", "กรุณาติดต่อเจ้าของเว็บไซต์เพื่อรับเครดิตเพิ่ม"],
  entries: ["History", "รายการ"],
  begun_with: ["Credits to start with", "เครดิตเริ่มต้น"],
  purchase: ["Simulated purchase", "ซื้อ (จำลอง)"],
  given_back_short: ["given back", "คืนแล้ว"],
  reserved_short: ["held", "กันไว้"],
  canceled_paid: ["{n} paid: a GPU had begun.", "ใช้ไป {n} เพราะ GPU เริ่มทำงานแล้ว"],
  given_back: ["Nothing was paid: {n} given back.", "ไม่มีค่าใช้จ่าย: คืน {n} แล้ว"],
  paid: ["{n} paid", "ใช้ไป {n}"],
  error_insufficient_credits: [
    "There are not enough credits for this. Get more and press again: what you filled in is kept.",
    "เครดิตไม่พอ กรุณารับเครดิตเพิ่มแล้วกดอีกครั้ง ข้อมูลที่กรอกไว้ยังอยู่",
  ],
  // What is wrong with an input
  missing_required: ["Fill this in.", "กรุณากรอกช่องนี้"],
  missing_file: ["Choose a file here first.", "กรุณาเลือกไฟล์ที่นี่ก่อน"],
  missing_choice: ["Choose one of these.", "กรุณาเลือกหนึ่งแบบ"],
  missing_any_of: [
    "Choose at least one change, or write your own.",
    "เลือกสิ่งที่ต้องการเปลี่ยนอย่างน้อยหนึ่งอย่าง หรือพิมพ์คำสั่งเอง",
  ],
  needs: ["The choice under “{by}” needs this picture.", "ตัวเลือกใน “{by}” ต้องใช้ภาพนี้"],
  too_long: [
    "At most {most} characters; there are {length}.",
    "ไม่เกิน {most} ตัวอักษร ขณะนี้มี {length}",
  ],
  too_short: ["At least {least} characters.", "อย่างน้อย {least} ตัวอักษร"],
  wrong_type: ["A number is needed.", "ต้องเป็นตัวเลข"],
  below_min: ["At least {least}.", "ต้องไม่น้อยกว่า {least}"],
  above_max: ["At most {most}.", "ต้องไม่เกิน {most}"],
  wrong_content_type: [
    "This file is not of a type that can be used. Choose {types}.",
    "ใช้ไฟล์ชนิดนี้ไม่ได้ กรุณาเลือก {types}",
  ],
  too_large: [
    "The file is {size}; at most {most} can be used. Make it smaller and choose it again.",
    "ไฟล์มีขนาด {size} ใช้ได้ไม่เกิน {most} กรุณาย่อขนาดแล้วเลือกใหม่",
  ],
  unreadable: ["This picture cannot be read. Choose another one.", "อ่านภาพนี้ไม่ได้ กรุณาเลือกภาพอื่น"],
  too_small: [
    "The picture is too small: each side needs {least} pixels.",
    "ภาพเล็กเกินไป แต่ละด้านต้องมีอย่างน้อย {least} พิกเซล",
  ],
  too_many_pixels: [
    "The picture has too many pixels. Scale it down.",
    "ภาพมีพิกเซลมากเกินไป กรุณาย่อขนาด",
  ],
  wrong_ratio: [
    "The picture is too long: at most {most} to 1. Crop it.",
    "ภาพยาวเกินไป สัดส่วนไม่เกิน {most} ต่อ 1 กรุณาครอบตัด",
  ],
  // A job
  result_here: ["Your result appears here", "ผลลัพธ์จะแสดงที่นี่"],
  result_here_help: [
    "Choose a picture and what to change, then press “{submit}”.",
    "เลือกภาพและสิ่งที่ต้องการเปลี่ยน แล้วกด “{submit}”",
  ],
  result_here_plain: ["Fill in the form, then press “{submit}”.", "กรอกแบบฟอร์ม แล้วกด “{submit}”"],
  queued: ["Waiting for a GPU", "รอ GPU"],
  running: ["At work", "กำลังประมวลผล"],
  canceling: ["Stopping…", "กำลังหยุด…"],
  succeeded: ["Ready", "เสร็จแล้ว"],
  failed: ["It did not work", "ไม่สำเร็จ"],
  canceled: ["Cancelled", "ยกเลิกแล้ว"],
  expired: ["No GPU was free in time", "ไม่มี GPU ว่างทันเวลา"],
  canceled_help: ["Nothing was made. You can start it again.", "ไม่มีการสร้างผลลัพธ์ คุณเริ่มใหม่ได้"],
  expired_help: [
    "It was never started and cost nothing. Try again.",
    "งานยังไม่เริ่มและไม่มีค่าใช้จ่าย ลองใหม่อีกครั้ง",
  ],
  in_front: ["{n} in front of you", "มี {n} งานก่อนหน้าคุณ"],
  next_one: ["You are next", "คุณคือคิวถัดไป"],
  left: ["about {time} left", "เหลืออีกประมาณ {time}"],
  soon: ["almost there", "ใกล้เสร็จแล้ว"],
  cancel: ["Cancel", "ยกเลิก"],
  cancel_free: ["To cancel costs nothing until a GPU has begun.", "ยกเลิกได้ฟรีจนกว่า GPU จะเริ่มทำงาน"],
  cancel_paid: ["A GPU is at work: to cancel costs {n} all the same.", "GPU กำลังทำงาน การยกเลิกยังใช้ {n}"],
  retry: ["Try again", "ลองใหม่"],
  download: ["Download", "ดาวน์โหลด"],
  zoom: ["Zoom", "ขยาย"],
  zoom_in: ["Larger", "ขยาย"],
  zoom_out: ["Smaller", "ย่อ"],
  close: ["Close", "ปิด"],
  before: ["Before", "ก่อน"],
  after: ["After", "หลัง"],
  compare: ["How much of the original is shown", "สัดส่วนของภาพต้นฉบับที่แสดง"],
  preview: ["Preview", "ตัวอย่าง"],
  preview_help: [
    "The result will be larger and without this mark.",
    "ผลลัพธ์จะมีขนาดใหญ่กว่าและไม่มีลายน้ำ",
  ],
  made_in: ["made in {time}", "ใช้เวลา {time}"],
  offline: [
    "You are offline. The job goes on; this page catches up when you are back.",
    "ขณะนี้ออฟไลน์ งานยังดำเนินต่อ หน้านี้จะอัปเดตเมื่อกลับมาออนไลน์",
  ],
  gallery: ["Your pictures", "ภาพของคุณ"],
  gallery_videos: ["Your videos", "วิดีโอของคุณ"],
  gallery_help: ["Kept for 30 days, for this browser only.", "เก็บไว้ 30 วัน เฉพาะเบราว์เซอร์นี้"],
  gallery_more: ["Show more", "แสดงเพิ่มเติม"],
  job_of: ["{status}, {time}", "{status} {time}"],
  // What went wrong, and what to do next
  error_offline: [
    "There is no connection. Check yours and try again; nothing is made or paid twice.",
    "ไม่มีการเชื่อมต่อ กรุณาตรวจสอบอินเทอร์เน็ตแล้วลองใหม่ งานจะไม่ถูกสร้างหรือคิดเงินซ้ำ",
  ],
  error_forbidden: [
    "This site gives visitors no sessions at the moment. Ask its owner to allow them.",
    "ขณะนี้เว็บไซต์ไม่เปิดให้ผู้เยี่ยมชมใช้งาน กรุณาติดต่อเจ้าของเว็บไซต์",
  ],
  error_unauthorized: [
    "Your session has ended. Reload the page to get a new one.",
    "เซสชันหมดอายุ กรุณาโหลดหน้านี้ใหม่",
  ],
  error_budget_exhausted: [
    "All of today’s free jobs are used up. Come back tomorrow.",
    "งานฟรีของวันนี้หมดแล้ว กรุณากลับมาใหม่พรุ่งนี้",
  ],
  error_rate_limited: [
    "Too much at once. Wait until one of your jobs has ended, or {s} s, and try again.",
    "คำขอมากเกินไป กรุณารอให้งานหนึ่งเสร็จ หรือ {s} วินาที แล้วลองใหม่",
  ],
  error_queue_full: [
    "Many people are waiting at the moment. Try again in {s} s.",
    "ขณะนี้มีผู้รอคิวจำนวนมาก ลองใหม่ใน {s} วินาที",
  ],
  error_payload_too_large: [
    "The files are too large together. Choose smaller ones.",
    "ไฟล์รวมกันมีขนาดใหญ่เกินไป กรุณาเลือกไฟล์ที่เล็กลง",
  ],
  error_unsupported_media_type: [
    "This file is of no kind that can be used. Choose another one.",
    "ไม่รองรับไฟล์ชนิดนี้ กรุณาเลือกไฟล์อื่น",
  ],
  error_contract_violation: [
    "Some of it cannot be used. See the marked fields.",
    "ข้อมูลบางส่วนใช้ไม่ได้ กรุณาดูช่องที่ทำเครื่องหมายไว้",
  ],
  error_not_found: ["This job is not known any more. Make it again.", "ไม่พบงานนี้แล้ว กรุณาสร้างใหม่"],
  error_conflict: [
    "The last try is still being stopped. Try again in a moment.",
    "งานก่อนหน้ายังหยุดไม่เสร็จ ลองใหม่อีกสักครู่",
  ],
  error_unavailable: [
    "The service is briefly away. Try again in {s} s.",
    "ระบบไม่พร้อมใช้งานชั่วคราว ลองใหม่ใน {s} วินาที",
  ],
  error_unconfigured: [
    "The service is not set up: nothing is served until its owner has acted.",
    "ระบบยังไม่ได้ตั้งค่า จะใช้งานได้เมื่อเจ้าของระบบแก้ไขแล้ว",
  ],
  error_settings: ["Missing or wrong:", "การตั้งค่าที่ขาดหรือไม่ถูกต้อง:"],
  error_other: [
    "Something went wrong on our side. Try again; if it stays, tell us the number below.",
    "เกิดข้อผิดพลาดในระบบ ลองใหม่อีกครั้ง หากยังไม่หาย กรุณาแจ้งหมายเลขด้านล่าง",
  ],
  error_number: ["Number {id}", "หมายเลข {id}"],
  failed_contract_violation: [
    "What it needs is gone. Choose the picture again and make a new one.",
    "ไฟล์ที่ต้องใช้ไม่มีแล้ว กรุณาเลือกภาพใหม่แล้วสร้างอีกครั้ง",
  ],
  failed_provider_rejected: [
    "The GPU did not take it. Try again later.",
    "GPU ไม่รับงานนี้ ลองใหม่ภายหลัง",
  ],
  failed_provider_lost: [
    "The GPU lost it on the way. Try again.",
    "GPU สูญเสียงานระหว่างทาง ลองใหม่อีกครั้ง",
  ],
  failed_execution_failed: [
    "The GPU broke off. Try again, or change the picture or your words.",
    "GPU หยุดทำงานกลางคัน ลองใหม่ หรือเปลี่ยนภาพหรือคำสั่ง",
  ],
  failed_output_missing: [
    "The GPU said it was done, but gave nothing. Try again.",
    "GPU แจ้งว่าเสร็จแต่ไม่มีผลลัพธ์ ลองใหม่อีกครั้ง",
  ],
  failed_output_invalid: ["The GPU gave a broken file. Try again.", "GPU ส่งไฟล์ที่เสียหาย ลองใหม่อีกครั้ง"],
  failed_timed_out: [
    "It took too long and was stopped. Try again, or ask for less.",
    "ใช้เวลานานเกินไปจึงถูกหยุด ลองใหม่ หรือลดรายละเอียดลง",
  ],
  // Pages of several templates
  from: ["Made from", "สร้างจาก"],
  "wan-text-to-video": ["A description", "คำบรรยาย"],
  "wan-image-to-video": ["A picture", "ภาพ"],
};
