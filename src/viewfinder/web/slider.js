// A slider that is the browser's own, so that what has the focus has the role, the name and the value, and the keys work.
// A value between two steps is shown as it is, until it is moved.
export default {
  props: { name: String, least: Number, most: Number, step: Number, value: Number },
  emits: ["update:value"],
  template: `
    <label class="vf-slider">
      <span class="vf-soft">{{ name }}</span>
      <input type="range" :min="least" :max="most" :step="step" :value.prop="value"
             :aria-label="name" :aria-valuetext="shown" @input="move">
      <output aria-hidden="true">{{ shown }}</output>
    </label>`,
  computed: {
    shown() {
      const rounded = this.value.toFixed(2);
      return Math.abs(this.value - rounded) < 1e-9 ? rounded : String(Number(this.value.toPrecision(3)));
    },
  },
  methods: {
    move(event) {
      this.$emit("update:value", event.target.valueAsNumber);
    },
  },
};
