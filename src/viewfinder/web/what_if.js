// Sends images, one after the other, to be looked at by a model, and shows the answers: boxes drawn on the picture, or
// probabilities as bars. The threshold only hides: the answers have everything that the model found.
const MOST_BARS = 20;
const MOST_LABELS = 8; // of more boxes, labels would lie over each other

function isMany(items) {
  return [...items].some((item) => {
    const entry = item.webkitGetAsEntry?.();
    return entry && (entry.isDirectory || entry.name.toLowerCase().endsWith(".zip"));
  });
}

async function ask(url, body) {
  const answer = await fetch(url, { method: "POST", body });
  const content = await answer.json().catch(() => ({ detail: answer.statusText }));
  if (!answer.ok) throw new Error(content.detail);
  return content;
}

export default {
  template: `
    <div class="vf-try">
      <div class="vf-drop" @dragover.prevent="over = true" @dragleave="over = false" @drop.prevent="drop"
           :data-over="over">
        <p>Drop images here, or paste one</p>
        <label class="vf-choose">Choose images
          <input type="file" accept="image/*" multiple @change="choose">
        </label>
        <button v-if="samples" type="button" class="vf-choose" @click="sample">Take a test image</button>
      </div>
      <p class="vf-soft" role="status">{{ progress }}</p>

      <div v-if="items.length > 1" class="vf-try-strip" role="list" aria-label="Images">
        <div v-for="(item, i) in items" :key="item.key" role="listitem">
          <button type="button" :aria-current="item === chosen" @click="choice = item.key">
            <img v-if="item.answer" :src="picture(item)" alt="">
            <span>{{ item.name }}</span> <strong>{{ brief(item) }}</strong>
          </button>
        </div>
      </div>

      <div v-if="chosen" class="vf-card vf-try-look">
        <div v-if="chosen.answer" class="vf-try-picture" :style="{ maxWidth: widest }">
          <img ref="image" :src="picture(chosen)" :alt="chosen.name" @load="measure">
          <svg v-if="detects" :viewBox="'0 0 ' + chosen.answer.size.join(' ')" aria-hidden="true">
            <g v-for="box in shown" :key="box.number" :class="{ active: active === box.number }"
               @mouseenter="active = box.number" @mouseleave="active = null">
              <rect :x="box.bbox[0]" :y="box.bbox[1]" :width="box.bbox[2]" :height="box.bbox[3]"/>
              <text v-if="labelled.has(box.number)" :x="box.bbox[0] + 3 * unit" :y="above(box)"
                    :font-size="13 * unit" :stroke-width="3 * unit">
                {{ box.category }} {{ percent(box.confidence) }}</text>
            </g>
          </svg>
        </div>
        <div class="vf-try-said">
          <h2>{{ chosen.name }}</h2>
          <p v-if="chosen.error" class="vf-wrong" role="alert">{{ chosen.error }}</p>
          <p v-else-if="!chosen.answer" class="vf-soft">{{ brief(chosen) }}</p>
          <template v-else-if="detects">
            <label class="vf-soft">Confidence from {{ least.toFixed(2) }}
              <input type="range" min="0.01" max="1" step="0.01" v-model.number="least"
                     aria-label="Confidence from" :aria-valuetext="least.toFixed(2)">
            </label>
            <button v-if="least !== own" type="button" class="vf-choose" @click="least = own">
              Back to the model's {{ own.toFixed(2) }}</button>
            <p role="status">{{ summary }}</p>
            <ul class="vf-try-lines">
              <li v-for="box in shown" :key="box.number">
                <button type="button" :class="{ active: active === box.number }" :ref="(el) => lines[box.number] = el"
                        @mouseenter="active = box.number" @mouseleave="active = null"
                        @focus="active = box.number" @blur="active = null">
                  <span>{{ box.category }}</span><span>{{ percent(box.confidence) }}</span>
                </button>
              </li>
            </ul>
          </template>
          <ul v-else class="vf-try-lines">
            <li v-for="one in bars" :key="one.name" class="vf-try-bar">
              <span>{{ one.name }}</span><span>{{ percent(one.probability) }}</span>
              <div :style="{ width: 100 * one.probability + '%' }"></div>
            </li>
            <li v-if="chosen.answer.classes.length > bars.length">
              <button type="button" @click="all = true">Show all {{ chosen.answer.classes.length }} classes</button>
            </li>
          </ul>
          <p v-if="chosen.ms" class="vf-soft text-sm">Answered in {{ Math.round(chosen.ms) }} ms</p>
        </div>
      </div>
    </div>`,
  props: { trial: String, threshold: Number, samples: Number, upload: Number, mostImages: Number, mostBytes: Number },
  data: () => ({
    over: false, items: [], choice: null, active: null, least: 0.5, all: false, busy: false, unit: 1, keys: 0,
  }),
  created() {
    this.lines = {};
    this.least = this.own;
  },
  mounted() {
    document.addEventListener("paste", this.paste);
    this.watcher = new ResizeObserver(this.measure);
    this.watcher.observe(this.$el);
  },
  unmounted() {
    document.removeEventListener("paste", this.paste);
    this.watcher.disconnect();
  },
  computed: {
    own() { return Math.round(100 * (this.threshold ?? 0.5)) / 100; },
    chosen() { return this.items.find((item) => item.key === this.choice); },
    detects() { return Boolean(this.chosen?.answer?.boxes); },
    widest() { return `calc(70vh * ${this.chosen.answer.size[0] / this.chosen.answer.size[1]})`; },
    shown() { return this.above_least(this.chosen); },
    labelled() {
      const many = this.shown.length > MOST_LABELS;
      if (many && this.active !== null) return new Set([this.active]);
      const surest = [...this.shown].sort((a, b) => b.confidence - a.confidence);
      return new Set(surest.slice(0, MOST_LABELS).map((box) => box.number));
    },
    bars() { return this.chosen.answer.classes.slice(0, this.all ? undefined : MOST_BARS); },
    summary() { return this.shown.length ? this.brief(this.chosen) : this.none(this.chosen); },
    progress() {
      const left = this.items.filter((item) => !item.answer && !item.error).length;
      return left ? `${this.items.length - left} of ${this.items.length} images looked at` : "";
    },
  },
  methods: {
    drop(event) {
      this.over = false;
      if (isMany(event.dataTransfer.items)) getElement(this.upload).drop(event);
      else this.add(event.dataTransfer.files);
    },
    choose(event) {
      this.add(event.target.files);
      event.target.value = "";
    },
    paste(event) {
      const files = [...event.clipboardData.files].filter((file) => file.type.startsWith("image/"));
      if (!files.length) return;
      event.preventDefault();
      this.add(files);
    },
    sample() {
      const number = Math.floor(Math.random() * this.samples);
      this.queue([{ name: `Test image ${number + 1}`, url: `/try/${this.trial}/samples/${number}` }]);
    },
    add(files) {
      if (files.length > this.mostImages) {
        getElement(this.upload).send([...files].map((file) => [file.name, file]));
        return;
      }
      const url = (file) => `/try/${this.trial}/images?name=${encodeURIComponent(file.name)}`;
      this.queue([...files].map((file) => ({ name: file.name, url: url(file), file })));
    },
    queue(added) {
      if (!added.length) return;
      for (const item of added) item.key = ++this.keys;
      this.items = [...added, ...this.items].slice(0, this.mostImages);
      this.choice = added[0].key;
      this.work();
    },
    async work() {
      if (this.busy) return;
      this.busy = true;
      for (let item; (item = this.items.find((one) => !one.answer && !one.error)); ) await this.look(item);
      this.busy = false;
    },
    async look(item) {
      const began = performance.now();
      try {
        if (item.file && item.file.size > this.mostBytes) {
          throw new Error(`The file is larger than ${this.mostBytes >> 20} MB.`);
        }
        const answer = await ask(item.url, item.file);
        answer.boxes = answer.boxes?.map((box, number) => ({ ...box, number }));
        item.name = answer.name ?? item.name;
        item.answer = answer;
        item.ms = performance.now() - began;
      } catch (error) {
        item.error = error.message;
      }
      item.file = null;
    },
    picture(item) { return `/files/previews/${item.answer.picture}.jpg`; },
    percent(share) { return `${(100 * share).toFixed(share < 0.1 || (share > 0.99 && share < 1) ? 1 : 0)} %`; },
    above_least(item) { return item.answer.boxes.filter((box) => box.confidence >= this.least); },
    brief(item) {
      if (item.error) return "cannot be answered";
      if (!item.answer) return "waits";
      if (!item.answer.boxes) return `${item.answer.classes[0].name}, ${this.percent(item.answer.classes[0].probability)}`;
      const count = this.above_least(item).length;
      return count ? `${count} object${count === 1 ? "" : "s"}` : "no objects";
    },
    none(item) {
      const most = item.answer.boxes.reduce((best, box) => (box.confidence > (best?.confidence ?? 0) ? box : best), null);
      if (!most) return "No objects: the model found nothing at all.";
      return `No objects with a confidence from ${this.least.toFixed(2)} on. The highest is ` +
        `${(Math.floor(1000 * most.confidence) / 1000).toFixed(3)}, for ${most.category}.`;
    },
    above(box) {
      return box.bbox[1] > 18 * this.unit ? box.bbox[1] - 5 * this.unit : box.bbox[1] + 15 * this.unit;
    },
    measure() {
      const width = this.$refs.image?.clientWidth;
      if (width && this.chosen?.answer) this.unit = this.chosen.answer.size[0] / width;
    },
  },
  watch: {
    active(number) { this.lines[number]?.scrollIntoView({ block: "nearest" }); },
    choice() { this.active = null; this.all = false; },
  },
};
