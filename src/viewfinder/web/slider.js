// A slider that is the browser's own, so that what has the focus has the role, the name and the value, and the keys work.
// A value between two steps is shown as it is, until it is moved. While it is being moved, what the server says of an earlier
// place does not move it back.
const QUIET_MS = 500;
export default {
  props: { name: String, least: Number, most: Number, step: Number, value: Number },
  emits: ["update:value"],
  data() { return { now: this.value, waiting: null }; },
  watch: {
    value() { if (!this.waiting) this.now = this.value; },
  },
  template: `
    <label class="vf-slider">
      <span class="vf-soft">{{ name }}</span>
      <input type="range" :min="least" :max="most" :step="step" :value.prop="now"
             :aria-label="name" :aria-valuetext="shown" @input="move">
      <output aria-hidden="true">{{ shown }}</output>
    </label>`,
  computed: {
    shown() {
      const rounded = this.now.toFixed(2);
      return Math.abs(this.now - rounded) < 1e-9 ? rounded : String(Number(this.now.toPrecision(3)));
    },
  },
  methods: {
    move(event) {
      this.now = event.target.valueAsNumber;
      clearTimeout(this.waiting);
      this.waiting = setTimeout(() => { this.waiting = null; this.now = this.value; }, QUIET_MS);
      this.$emit("update:value", this.now);
    },
  },
};
