import { BarController, BarElement, CategoryScale, Chart, LinearScale } from 'chart.js';
import { format } from 'date-fns/format';
import i18next from 'i18next';
import sortBy from 'lodash-es/sortBy';
import { StrictMode, useEffect, useRef } from 'react';
import { createRoot } from 'react-dom/client';
import { readCatalogue, type Product } from './catalogue';
import './main.css';
import { settings } from './settings';

Chart.register(BarController, BarElement, CategoryScale, LinearScale);

function Categories({ categories }: { categories: { name: string; products: number }[] }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    if (!canvas.current) return;
    const chart = new Chart(canvas.current, {
      type: 'bar',
      data: {
        labels: categories.map(({ name }) => name),
        datasets: [{ data: categories.map(({ products }) => products) }],
      },
    });
    return () => chart.destroy();
  }, [categories]);
  return <canvas ref={canvas} aria-label={i18next.t('perCategory')} role="img" />;
}

function Shop({ categories, featured, release }: Awaited<ReturnType<typeof readCatalogue>>) {
  const shown: Product[] = sortBy(featured.slice(0, settings.featured), 'cents');
  return (
    <main>
      <h1>{settings.title}</h1>
      <p>
        {release} · {format(new Date(), 'd MMMM yyyy')}
      </p>
      <Categories categories={categories} />
      <ul>
        {shown.map(({ id, name, maker, cents }) => (
          <li key={id}>
            {name}, {maker}: {(cents / 100).toFixed(2)} €
          </li>
        ))}
      </ul>
    </main>
  );
}

async function start() {
  await i18next.init({
    lng: 'en',
    resources: { en: { translation: { perCategory: 'Products in each category' } } },
  });
  const root = document.getElementById('root');
  if (root)
    createRoot(root).render(
      <StrictMode>
        <Shop {...await readCatalogue()} />
      </StrictMode>,
    );
}

void start();
