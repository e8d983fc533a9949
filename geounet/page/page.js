"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const $ = (id) => document.getElementById(id);
  const map = $("map"), canvas = $("canvas"), tip = $("tip"), card = $("card");
  const pen = canvas.getContext("2d");
  const rows = [...document.querySelectorAll("tr[data-at]")];
  const levels = [...document.querySelectorAll("[data-level]")];

  // numbers: base64, varints, zigzag
  function unpack(text) {
    const bytes = atob(text), found = [];
    for (let at = 0, value = 0, place = 1; at < bytes.length; at++) {
      const byte = bytes.charCodeAt(at);
      value += (byte & 127) * place;
      place *= 128;
      if (byte < 128) {
        found.push(value % 2 ? -(value + 1) / 2 : value / 2);
        value = 0;
        place = 1;
      }
    }
    return found;
  }

  const ids = unpack(data.id);
  for (let at = 1; at < ids.length; at++) ids[at] += ids[at - 1];
  const confidences = unpack(data.confidence), areas = unpack(data.area), flags = unpack(data.flags);
  const count = ids.length;
  const level = confidences.map((c) => (c < 0 ? -1 : data.levels.filter((edge) => c >= edge).length));
  const points = [], ringEnds = [], shapeEnds = [];
  const boxes = new Float32Array(4 * count);
  const rings = unpack(data.rings);
  for (let at = 0, shape = 0, x = 0, y = 0; shape < count; shape++) {
    const box = [Infinity, Infinity, -Infinity, -Infinity];
    for (let left = rings[at++]; left > 0; left--) {
      for (let vertices = rings[at++]; vertices > 0; vertices--) {
        x += rings[at++];
        y += rings[at++];
        const col = x / data.unit, row = y / data.unit;
        points.push(col, row);
        box[0] = Math.min(box[0], col);
        box[1] = Math.min(box[1], row);
        box[2] = Math.max(box[2], col);
        box[3] = Math.max(box[3], row);
      }
      ringEnds.push(points.length);
    }
    shapeEnds.push(ringEnds.length);
    boxes.set(box, 4 * shape);
  }
  const sides = Array.from({ length: count }, (_, at) => Math.max(boxes[4 * at + 2] - boxes[4 * at], boxes[4 * at + 3] - boxes[4 * at + 1]));
  const typical = [...sides].sort((a, b) => a - b)[count >> 1] || 1;

  // what is shown: screen = (pixel of the raster − view) × k
  const view = { x: 0, y: 0, k: 1 };
  const shown = { image: true, polygons: true, level: levels.map(() => true) };
  let width = 1, height = 1, smallest = 1, hovered = -1, chosen = -1, fitted = true, waiting = false;
  let picture = null;

  const scene = $("scene"), mask = new Image();
  mask.src = data.mask;
  const loaded = (image) => image.complete || new Promise((done) => image.addEventListener("load", done, { once: true }));
  Promise.all([loaded(scene), loaded(mask)]).then(() => {
    const sheet = document.createElement("canvas");
    sheet.width = scene.naturalWidth;
    sheet.height = scene.naturalHeight;
    const brush = sheet.getContext("2d");
    brush.drawImage(scene, 0, 0);
    brush.globalCompositeOperation = "destination-in";
    brush.drawImage(mask, 0, 0);
    picture = sheet;
    scene.classList.add("taken");
    refresh();
  });

  // sharp pictures of the places to look at first, cut to where there is data
  const closeUps = [];
  for (const [x, y, wide, tall, source] of data.closeUps || []) {
    const image = new Image();
    image.src = source;
    Promise.all([loaded(image), loaded(mask)]).then(() => {
      const sheet = document.createElement("canvas");
      sheet.width = image.naturalWidth;
      sheet.height = image.naturalHeight;
      const brush = sheet.getContext("2d"), size = image.naturalWidth / wide;
      brush.drawImage(image, 0, 0);
      brush.globalCompositeOperation = "destination-in";
      brush.drawImage(mask, -x * size, -y * size, mask.naturalWidth * data.scale * size, mask.naturalHeight * data.scale * size);
      closeUps.push({ x, y, wide, tall, sheet });
      refresh();
    });
  }

  function refresh() {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      draw();
    });
  }

  function trace(shape) {
    for (let ring = shape ? shapeEnds[shape - 1] : 0; ring < shapeEnds[shape]; ring++) {
      const start = ring ? ringEnds[ring - 1] : 0;
      for (let at = start; at < ringEnds[ring]; at += 2) {
        const x = (points[at] - view.x) * view.k, y = (points[at + 1] - view.y) * view.k;
        at === start ? pen.moveTo(x, y) : pen.lineTo(x, y);
      }
      pen.closePath();
    }
  }

  const visible = (at) => shown.polygons && (level[at] < 0 || shown.level[level[at]]);
  const styles = getComputedStyle(document.documentElement);
  const colour = (at) => styles.getPropertyValue(at < 0 ? "--bar" : `--c${at}`).trim();

  function draw() {
    const ratio = Math.min(window.devicePixelRatio || 1, 2);
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    if (shown.image && picture) {
      const size = data.scale * view.k;
      pen.imageSmoothingEnabled = data.scale > 1 || size < 8;
      pen.imageSmoothingQuality = "high";
      pen.drawImage(picture, -view.x * view.k, -view.y * view.k, picture.width * size, picture.height * size);
      if (size > 1) for (const part of closeUps) pen.drawImage(part.sheet, (part.x - view.x) * view.k, (part.y - view.y) * view.k, part.wide * view.k, part.tall * view.k);
    } else if (picture) {
      pen.fillStyle = "rgb(128 128 128 / .14)";
      pen.fillRect(-view.x * view.k, -view.y * view.k, data.width * view.k, data.height * view.k);
    }
    const [left, top, right, bottom] = [view.x, view.y, view.x + width / view.k, view.y + height / view.k];
    const small = typical * view.k < 7;
    const line = Math.min(2, Math.max(1, (typical * view.k) / 28));
    for (let wanted = levels.length - 1; wanted >= -1; wanted--) {
      pen.beginPath();
      let any = false;
      for (let at = 0; at < count; at++) {
        const box = 4 * at;
        if (level[at] !== wanted || !visible(at)) continue;
        if (boxes[box] > right || boxes[box + 2] < left || boxes[box + 1] > bottom || boxes[box + 3] < top) continue;
        any = true;
        if (sides[at] * view.k < 2) pen.rect((boxes[box] - view.x) * view.k, (boxes[box + 1] - view.y) * view.k, 1.6, 1.6);
        else trace(at);
      }
      if (!any) continue;
      const tint = colour(wanted);
      pen.lineJoin = "round";
      if (!small) {
        pen.strokeStyle = "rgb(0 0 0 / .5)";
        pen.lineWidth = line + 1.6;
        pen.stroke();
      }
      pen.globalAlpha = small ? 0.85 : shown.image ? 0.26 : 0.5;
      pen.fillStyle = tint;
      pen.fill("evenodd");
      pen.globalAlpha = 1;
      pen.strokeStyle = tint;
      pen.lineWidth = small ? 0.5 : line;
      pen.stroke();
    }
    for (const at of [hovered, chosen]) if (at >= 0 && visible(at)) outline(at, at === chosen);
    rule();
  }

  function outline(at, strong) {
    pen.beginPath();
    trace(at);
    pen.globalAlpha = strong ? 0.15 : 0.35;
    pen.fillStyle = "#fff";
    pen.fill("evenodd");
    pen.globalAlpha = 1;
    pen.lineJoin = "round";
    pen.strokeStyle = "#000";
    pen.lineWidth = strong ? 6 : 4;
    pen.stroke();
    pen.strokeStyle = "#fff";
    pen.lineWidth = strong ? 3 : 2;
    pen.stroke();
  }

  function rule() {
    const unit = data.gsd || 1;
    const most = (110 / view.k) * unit;
    const power = 10 ** Math.floor(Math.log10(most));
    const length = [5, 2, 1].find((step) => step * power <= most) * power;
    $("rule").hidden = false;
    $("rule-words").textContent = data.gsd ? (length >= 1000 ? `${length / 1000} km` : `${+length.toPrecision(1)} m`) : `${length} px`;
    $("rule-line").style.width = `${(length / unit) * view.k}px`;
  }

  // moving
  function clamp() {
    const [wide, tall] = [width / view.k, height / view.k];
    view.x = wide >= data.width ? (data.width - wide) / 2 : Math.min(Math.max(view.x, -wide / 3), data.width - (wide * 2) / 3);
    view.y = tall >= data.height ? (data.height - tall) / 2 : Math.min(Math.max(view.y, -tall / 3), data.height - (tall * 2) / 3);
  }
  function fit() {
    view.k = smallest;
    fitted = true;
    clamp();
    refresh();
  }
  function zoom(factor, x = width / 2, y = height / 2) {
    const k = Math.min(Math.max(view.k * factor, smallest), Math.max(32, smallest));
    view.x += x / view.k - x / k;
    view.y += y / view.k - y / k;
    view.k = k;
    fitted = k === smallest;
    clamp();
    refresh();
  }
  function pan(x, y) {
    view.x -= x / view.k;
    view.y -= y / view.k;
    clamp();
    refresh();
  }
  function resize() {
    const box = map.getBoundingClientRect();
    width = Math.max(box.width, 1);
    height = Math.max(box.height, 1);
    smallest = Math.min(width / data.width, height / data.height) * 0.97;
    view.k = Math.max(view.k, smallest);
    if (fitted) view.k = smallest;
    clamp();
    refresh();
  }
  new ResizeObserver(resize).observe(map);
  resize();

  // finding
  function inside(shape, x, y) {
    let odd = false;
    for (let ring = shape ? shapeEnds[shape - 1] : 0; ring < shapeEnds[shape]; ring++) {
      const start = ring ? ringEnds[ring - 1] : 0;
      for (let at = start, last = ringEnds[ring] - 2; at < ringEnds[ring]; last = at, at += 2) {
        const [x1, y1, x2, y2] = [points[at], points[at + 1], points[last], points[last + 1]];
        if (y1 > y !== y2 > y && x < ((x2 - x1) * (y - y1)) / (y2 - y1) + x1) odd = !odd;
      }
    }
    return odd;
  }
  function find(px, py) {
    const x = px / view.k + view.x, y = py / view.k + view.y, slack = 3 / view.k;
    let near = -1;
    for (let at = 0; at < count; at++) {
      const box = 4 * at;
      if (!visible(at)) continue;
      if (x < boxes[box] - slack || x > boxes[box + 2] + slack || y < boxes[box + 1] - slack || y > boxes[box + 3] + slack) continue;
      if (inside(at, x, y)) return at;
      if (sides[at] * view.k < 8) near = at;
    }
    return near;
  }

  // saying
  const number = (value) => value.toLocaleString("en", { maximumSignificantDigits: value < 1000 ? 3 : 15, maximumFractionDigits: 0, roundingPriority: "morePrecision" });
  function facts(at) {
    const sure = confidences[at] < 0 ? "" : `${(confidences[at] / 10).toFixed(1)} %`;
    const size = areas[at] < 0 ? "" : `${number(areas[at] / 10)} ${data.unitName}`;
    return { id: `#${ids[at]}`, sure, size, notes: [flags[at] & 1 ? "look here first" : "", flags[at] & 2 ? "at an edge" : ""].filter(Boolean).join(", ") };
  }
  function hover(at, x, y) {
    tip.hidden = at < 0;
    map.classList.toggle("over", at >= 0);
    if (at >= 0) {
      const { id, sure, size } = facts(at);
      tip.textContent = [id, sure, size].filter(Boolean).join("  ·  ");
      const box = tip.getBoundingClientRect();
      tip.style.left = `${Math.min(x + 14, width - box.width - 6)}px`;
      tip.style.top = `${y + 18 + box.height > height ? y - box.height - 8 : y + 18}px`;
    }
    if (at === hovered) return;
    hovered = at;
    refresh();
  }
  function choose(at, go) {
    chosen = at;
    card.hidden = at < 0;
    for (const row of rows) row.classList.toggle("on", at >= 0 && +row.dataset.at === at);
    if (at >= 0) {
      const { id, sure, size, notes } = facts(at);
      const title = document.createElement("b");
      title.textContent = id;
      const lines = [sure && `confidence ${sure}`, size && `area ${size}`, notes, place(at)].filter(Boolean);
      card.replaceChildren(title, ...lines.flatMap((words) => [document.createElement("br"), words]));
    }
    if (at >= 0 && go) {
      const box = 4 * at;
      view.k = Math.min(Math.max(Math.min(width, height) / (sides[at] * 4), smallest), Math.max(32, smallest));
      view.x = (boxes[box] + boxes[box + 2]) / 2 - width / view.k / 2;
      view.y = (boxes[box + 1] + boxes[box + 3]) / 2 - height / view.k / 2;
      fitted = view.k === smallest;
      clamp();
      if (level[at] >= 0 && !shown.level[level[at]]) levels[level[at]].click();
      if (!shown.polygons) $("polygons").click();
    }
    refresh();
  }
  function place(at) {
    const col = (boxes[4 * at] + boxes[4 * at + 2]) / 2, row = (boxes[4 * at + 1] + boxes[4 * at + 3]) / 2;
    const [a, b, c, d, e, f] = data.transform;
    const spot = [a * col + b * row + c, d * col + e * row + f];
    const digits = Math.abs(a) + Math.abs(b) < 0.01 ? 6 : 1;
    return spot.map((value) => value.toFixed(digits)).join(", ");
  }
  function step(by) {
    if (!rows.length) return;
    const now = rows.findIndex((row) => +row.dataset.at === chosen);
    const row = rows[now < 0 ? (by > 0 ? 0 : rows.length - 1) : (now + by + rows.length) % rows.length];
    row.scrollIntoView({ block: "nearest" });
    choose(+row.dataset.at, true);
  }

  // hands
  const fingers = new Map();
  let moved = 0;
  const spot = (event) => {
    const box = map.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, spot(event));
    if (fingers.size === 1) moved = 0;
  });
  canvas.addEventListener("pointermove", (event) => {
    const [x, y] = spot(event), before = fingers.get(event.pointerId);
    if (!before) {
      hover(find(x, y), x, y);
      return;
    }
    moved += Math.abs(x - before[0]) + Math.abs(y - before[1]);
    const other = [...fingers.entries()].find(([id]) => id !== event.pointerId);
    if (other) {
      const [ox, oy] = other[1];
      zoom(Math.hypot(x - ox, y - oy) / Math.max(Math.hypot(before[0] - ox, before[1] - oy), 1), ox, oy);
    } else pan(x - before[0], y - before[1]);
    fingers.set(event.pointerId, [x, y]);
    if (moved > 4) hover(-1);
  });
  canvas.addEventListener("pointerup", (event) => {
    fingers.delete(event.pointerId);
    if (moved <= 4) choose(find(...spot(event)), false);
  });
  canvas.addEventListener("pointercancel", (event) => fingers.delete(event.pointerId));
  canvas.addEventListener("pointerleave", () => hover(-1));
  canvas.addEventListener("dblclick", (event) => zoom(2, ...spot(event)));
  map.addEventListener("wheel", (event) => {
    if (event.deltaY > 0 && view.k <= smallest) return; // all is shown: let the page scroll
    event.preventDefault();
    zoom(2 ** (-event.deltaY * (event.deltaMode ? 0.05 : 0.002)), ...spot(event));
  }, { passive: false });

  $("in").onclick = () => zoom(1.6);
  $("out").onclick = () => zoom(1 / 1.6);
  $("fit").onclick = fit;
  for (const name of ["image", "polygons"]) {
    $(name).onclick = () => {
      shown[name] = !shown[name];
      $(name).setAttribute("aria-pressed", shown[name]);
      refresh();
    };
  }
  for (const button of levels) {
    button.onclick = () => {
      const at = +button.dataset.level;
      shown.level[at] = !shown.level[at];
      button.setAttribute("aria-pressed", shown.level[at]);
      refresh();
    };
  }
  for (const row of rows) {
    row.tabIndex = 0;
    row.onclick = () => choose(+row.dataset.at, true);
    row.onkeydown = (event) => {
      if (event.key === "Enter" || event.key === " ") {
        event.preventDefault();
        row.click();
      }
    };
  }
  const keys = {
    "+": () => zoom(1.6), "=": () => zoom(1.6), "-": () => zoom(1 / 1.6), 0: fit, f: fit,
    ArrowLeft: () => pan(80, 0), ArrowRight: () => pan(-80, 0), ArrowUp: () => pan(0, 80), ArrowDown: () => pan(0, -80),
    n: () => step(1), p: () => step(-1), i: () => $("image").click(), o: () => $("polygons").click(), Escape: () => choose(-1),
  };
  map.addEventListener("keydown", (event) => {
    const act = keys[event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", refresh);
  const named = ids.indexOf(+location.hash.slice(1));
  if (location.hash && named >= 0) choose(named, true);
})();
