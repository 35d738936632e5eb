"use strict";
// Shows the frame under the pointer: its exact values, its boxes, and the nearest small picture.
// What it reads is described in analysis/embedding.py.
(() => {
  const page = JSON.parse(document.getElementById("frames").textContent);
  const MISSING = 65535;
  const SVG = "http://www.w3.org/2000/svg";

  const decode = async (text, Numbers) => {
    const raw = atob(text);
    const bytes = new Uint8Array(raw.length);
    for (let i = 0; i < raw.length; i += 1) bytes[i] = raw.charCodeAt(i);
    const plain = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Numbers(await new Response(plain).arrayBuffer());
  };

  const clock = (ms) => {
    const two = (number) => String(number).padStart(2, "0");
    const seconds = Math.floor(ms / 1000);
    const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
    const start = hours ? `${hours}:${two(minutes)}` : String(minutes);
    return `${start}:${two(seconds % 60)}.${String(ms % 1000).padStart(3, "0")}`;
  };

  const plural = (number, one, more) => `${number} ${number === 1 ? one : more}`;

  // The place of the number nearest to a value among increasing numbers; -1 of none.
  const nearest = (numbers, value) => {
    let [low, high] = [0, numbers.length - 1];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (numbers[middle] <= value) low = middle;
      else high = middle;
    }
    if (high < 0) return -1;
    return Math.abs(numbers[high] - value) < Math.abs(numbers[low] - value) ? high : low;
  };

  class Timeline {
    constructor(element, data) {
      this.data = data;
      this.plot = element.querySelector(".plot");
      this.cursor = element.querySelector(".cursor");
      this.inspector = element.querySelector(".inspector");
      this.strip = [...element.querySelectorAll(".strip img")];
      this.at = -1;
      this.inspector.hidden = false;
      this.plot.tabIndex = 0;
      this.plot.setAttribute("role", "slider");
      this.plot.setAttribute("aria-label", `Time in ${data.name}`);
      this.plot.setAttribute("aria-valuemin", "0");
      this.plot.setAttribute("aria-valuemax", String(Math.round(data.duration)));
      this.plot.setAttribute("aria-valuenow", "0");
      this.plot.setAttribute("aria-valuetext", "start");
      for (const kind of ["pointermove", "pointerdown"]) {
        this.plot.addEventListener(kind, (event) => this.point(event));
      }
      this.plot.addEventListener("keydown", (event) => this.press(event));
      this.plot.addEventListener("focus", async () => {
        await this.load();
        this.show(Math.max(0, this.at));
      });
    }

    // Decoded when first needed, so that a page of many videos opens at once.
    load() {
      this.loaded ??= this.read();
      return this.loaded;
    }

    async read() {
      const { ticks, boxes, thumbnails } = this.data;
      const kinds = { time: Uint32Array, tick: Uint32Array };
      const found = {};
      for (const name of Object.keys(ticks)) {
        found[name] = await decode(ticks[name], kinds[name] ?? Uint16Array);
      }
      if (boxes) {
        this.boxes = {
          first: await decode(boxes.first, Uint32Array),
          kind: await decode(boxes.kind, Uint16Array),
          score: await decode(boxes.score, Uint8Array),
          edges: await decode(boxes.edges, Uint8Array),
        };
      }
      this.ticks = found;
      const shown = this.strip.map((image) => ({
        time: Number(image.dataset.time), tick: Number(image.dataset.tick), jpeg: image.src,
      }));
      this.thumbnails = [...shown, ...thumbnails].sort((one, other) => one.time - other.time);
      this.thumbnailTimes = this.thumbnails.map((each) => each.time);
    }

    async point(event) {
      const area = this.plot.getBoundingClientRect();
      const share = Math.min(1, Math.max(0, (event.clientX - area.left) / area.width));
      await this.load();
      this.show(nearest(this.ticks.time, share * this.data.duration * 1000));
    }

    async press(event) {
      const steps = {
        ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: 10, PageDown: -10,
        Home: -Infinity, End: Infinity,
      };
      if (!(event.key in steps) || event.ctrlKey || event.altKey || event.metaKey) return;
      event.preventDefault();
      await this.load();
      this.show(Math.min(this.ticks.time.length - 1, Math.max(0, this.at + steps[event.key])));
    }

    show(place) {
      if (place < 0 || place >= this.ticks.time.length) return;
      this.at = place;
      const ms = this.ticks.time[place];
      this.cursor.hidden = false;
      this.cursor.style.left = `${(100 * ms) / 1000 / Math.max(this.data.duration, 0.001)}%`;
      const words = [clock(ms), ...this.values(place)].join(", ");
      this.inspector.dataset.tick = String(this.ticks.tick[place]);
      this.inspector.querySelector(".values").textContent = words;
      this.plot.setAttribute("aria-valuenow", String(ms / 1000));
      this.plot.setAttribute("aria-valuetext", words);
      const small = this.thumbnails[nearest(this.thumbnailTimes, ms)];
      this.showNearest(small, ms);
      if (this.boxes) this.showBoxes(place, small);
    }

    values(place) {
      const { mean, p5, p50, p95, classes, instances } = this.ticks;
      const light = (numbers) => (numbers[place] / 100).toFixed(2);
      const told = [
        mean[place] === MISSING
          ? "lightness not measured"
          : `L* ${light(mean)} (5 %: ${light(p5)}, 50 %: ${light(p50)}, 95 %: ${light(p95)})`,
      ];
      if (!classes) return told;
      told.push(
        classes[place] === MISSING
          ? "not looked at for objects"
          : instances[place] === 0
            ? "no objects"
            : `${plural(instances[place], "object", "objects")} of ` +
              plural(classes[place], "class", "classes"),
      );
      return told;
    }

    showNearest(small, ms) {
      const figure = this.inspector.querySelector(".nearest");
      figure.hidden = !small;
      if (!small) return;
      const image = figure.querySelector("img");
      if (image.src !== small.jpeg) image.src = small.jpeg;
      image.alt = `Picture at ${clock(small.time)}`;
      figure.dataset.tick = String(small.tick);
      const away = Math.abs(small.time - ms);
      const side = small.time < ms ? "earlier" : "later";
      figure.querySelector("figcaption").textContent =
        `Nearest picture: ${clock(small.time)}` + (away ? `, ${(away / 1000).toFixed(3)} s ${side}` : "");
    }

    showBoxes(place, small) {
      this.inspector.querySelector(".boxes").hidden = false;
      const drawing = this.inspector.querySelector(".boxes svg");
      const [width, height] = this.data.size;
      const made = (name, attributes, text) => {
        const element = document.createElementNS(SVG, name);
        for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
        if (text) element.textContent = text;
        return element;
      };
      drawing.replaceChildren();
      const same = small && small.tick === this.ticks.tick[place];
      if (same) drawing.append(made("image", { href: small.jpeg, width, height }));
      const font = Math.max(width, height) / 24;
      const { first, kind, score, edges } = this.boxes;
      const found = new Map();
      const [labels, taken] = [[], []];
      for (let box = first[place]; box < first[place + 1]; box += 1) {
        const [x0, y0, x1, y1] = [0, 1, 2, 3].map(
          (edge) => (edges[4 * box + edge] / 255) * (edge % 2 ? height : width),
        );
        const [name, sure] = [page.names[kind[box]], (score[box] / 100).toFixed(2)];
        drawing.append(made("rect", { x: x0, y: y0, width: x1 - x0, height: y1 - y0 }));
        // A label stays inside the picture, and is left out where it would cover another.
        const label = `${name} ${sure}`;
        const wide = 0.62 * font * label.length;
        const x = Math.max(0, Math.min(x0 + font / 5, width - wide));
        const y = Math.max(y0 + font, font);
        if (!taken.some((each) => Math.abs(each.y - y) < font && x < each.x + each.wide && each.x < x + wide)) {
          taken.push({ x, y, wide });
          labels.push(made("text", { x, y, "font-size": font }, label));
        }
        found.set(name, [...(found.get(name) ?? []), sure]);
      }
      drawing.append(...labels);
      const number = first[place + 1] - first[place];
      const counted = this.ticks.instances[place];
      const told = [...found].map(([name, scores]) => {
        const times = scores.length > 1 ? ` × ${scores.length}` : "";
        return `${name}${times} (${scores.join(", ")})`;
      });
      const unlooked = counted === MISSING;
      const more = !unlooked && counted > number ? `; the surest ${number} of ${counted} boxes` : "";
      this.inspector.querySelector(".boxes figcaption").textContent =
        `Boxes of this frame${same ? "" : ", of which this page has no picture"}`;
      this.inspector.querySelector(".found").textContent =
        unlooked || !number ? "No boxes." : told.join(", ") + more;
    }
  }

  if (!("DecompressionStream" in window)) return; // browsers before 2023 show what is static
  document.querySelectorAll(".timeline").forEach((element, number) => {
    new Timeline(element, page.videos[number]);
  });
  document.documentElement.dataset.ready = "yes";
})();
